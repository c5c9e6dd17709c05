"""All studies by name. A study's module is imported when it is asked for."""

from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from types import MappingProxyType

from evaluation.studies.study import Study
from genpage.errors import UsageError

# Name -> the module that has it as `STUDY`, in the order in which "all" runs them: those that
# share checkpoints stand together.
MODULES: Mapping[str, str] = MappingProxyType(
    {
        "pretraining": "evaluation.studies.pretraining",
        "rl": "evaluation.studies.rl",
        "hybrid": "evaluation.studies.hybrid",
        "short-rows": "evaluation.studies.short_rows",
        "in-session": "evaluation.studies.in_session",
        "multistage": "evaluation.studies.multistage",
        "scaling": "evaluation.studies.scaling",
        "context": "evaluation.studies.context",
        "daily": "evaluation.studies.daily",
        "cold-start": "evaluation.studies.cold_start",
    }
)


def study(name: str) -> Study:
    """The study of that name; an unknown one is a `UsageError` that lists them."""
    if name not in available():
        raise UsageError(f"no study {name!r}; there are: all, {', '.join(available())}")
    found: Study = import_module(MODULES[name]).STUDY
    return found


def available() -> tuple[str, ...]:
    """The names of the studies that are here."""
    return tuple(name for name, module in MODULES.items() if find_spec(module) is not None)


def chosen(name: str) -> tuple[Study, ...]:
    """One study, or all."""
    return tuple(map(study, available())) if name == "all" else (study(name),)
