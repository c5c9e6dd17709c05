"""Which model versions are in memory, and which one pages are made with.

Pure bookkeeping, one owner. A reader takes `for_member` once and keeps what it got: a page belongs
to one version, and a swap affects only later pages. Every change of who gets what is one
assignment.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Generic, Protocol, TypeVar

from genpage.errors import ConflictError, NotFoundError


class Versioned(Protocol):
    """What the registry knows of a model."""

    @property
    def version(self) -> str:
        """Unique to each export."""
        ...

    @property
    def digest(self) -> str:
        """The bundle's digest."""
        ...


Model = TypeVar("Model", bound=Versioned)


@dataclass(frozen=True, slots=True)
class _Trial(Generic[Model]):
    model: Model
    takes: Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class _Versions(Generic[Model]):
    active: Model | None = None
    previous: Model | None = None
    trial: _Trial[Model] | None = None


class Registry(Generic[Model]):
    """Loaded models by version. Every method but the properties mutates."""

    def __init__(self) -> None:
        self._loaded: dict[str, Model] = {}
        self._versions: _Versions[Model] = _Versions()

    @property
    def active(self) -> Model | None:
        """What new pages are made with; None before there is any."""
        return self._versions.active

    @property
    def previous(self) -> Model | None:
        """What was active before it."""
        return self._versions.previous

    @property
    def on_trial(self) -> Model | None:
        """What a share of the members gets in the place of `active`."""
        trial = self._versions.trial
        return None if trial is None else trial.model

    @property
    def loaded(self) -> tuple[Model, ...]:
        """All models in memory, in the order they came."""
        return tuple(self._loaded.values())

    def for_member(self, user_id: str) -> Model | None:
        """What a member's next page is made with."""
        versions = self._versions
        if versions.trial is not None and versions.trial.takes(user_id):
            return versions.trial.model
        return versions.active

    def find(self, version: str) -> Model | None:
        """The loaded model of a version, None where there is none."""
        return self._loaded.get(version)

    def add(self, model: Model) -> None:
        """A model is in memory; `ConflictError` where another bundle has its version."""
        held = self._loaded.get(model.version)
        if held is not None and held.digest != model.digest:
            raise ConflictError(
                f"version {model.version} is loaded already, from a bundle of another digest."
            )
        self._loaded[model.version] = model

    def activate(self, version: str) -> Model:
        """Make new pages with a loaded version; nothing happens where it is active already."""
        model = self._held(version)
        before = self._versions.active
        if before is None or before.version != version:
            self._versions = _Versions(active=model, previous=before)
        elif self._versions.trial is not None:
            self._versions = replace(self._versions, trial=None)
        return model

    def rollback(self) -> Model:
        """Make new pages with what was active before; `ConflictError` where nothing was."""
        before = self._versions.previous
        if before is None:
            raise ConflictError("there is no earlier version to roll back to.")
        return self.activate(before.version)

    def try_out(self, version: str, takes: Callable[[str], bool]) -> Model:
        """Have a loaded version make the pages of those members that ``takes`` says."""
        model = self._held(version)
        self._versions = replace(self._versions, trial=_Trial(model, takes))
        return model

    def end_trial(self) -> None:
        """Have the active version make everybody's pages again."""
        self._versions = replace(self._versions, trial=None)

    def remember(self, version: str) -> None:
        """A loaded version counts as the one before the active: after a restart."""
        self._versions = replace(self._versions, previous=self._held(version))

    def replace(self, model: Model) -> None:
        """A newer snapshot of a loaded version takes its place, wherever it stands."""
        self._held(model.version)
        self._loaded[model.version] = model
        old = self._versions
        trial = old.trial
        if trial is not None and trial.model.version == model.version:
            trial = replace(trial, model=model)
        self._versions = _Versions(
            active=_newer(old.active, model), previous=_newer(old.previous, model), trial=trial
        )

    def retain(self, versions: Iterable[str] = ()) -> list[Model]:
        """Let go of all but the active, the previous, the one on trial and ``versions``.

        Returns what was let go; its memory is free once its last page and the list are.
        """
        standing = (self.active, self.previous, self.on_trial)
        kept = {*versions, *(model.version for model in standing if model is not None)}
        return [self._loaded.pop(version) for version in list(self._loaded) if version not in kept]

    def _held(self, version: str) -> Model:
        model = self._loaded.get(version)
        if model is None:
            raise NotFoundError(f"version {version} is not loaded.")
        return model


def _newer(held: Model | None, model: Model) -> Model | None:
    return model if held is not None and held.version == model.version else held
