"""The ``genpage`` command: its table of commands and their dispatch.

A call imports the modules of all commands: one file configures them all, and only who knows all
keys can refuse an unknown one. A module imports its room when its command runs, so that
``genpage serve`` never loads torch.
"""

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from pydantic import ValidationError
from pydantic_settings import CliApp, SettingsError
from rich.console import Console
from rich.table import Table

from genpage.cli.command import CONFIG_FILE, Command, read_config
from genpage.errors import GenPageError, UsageError


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the table: the words that call a command, where it is, what it does."""

    words: tuple[str, ...]
    module: str
    name: str
    summary: str

    def load(self) -> type[Command]:
        """Import the command's class."""
        loaded: type[Command] = getattr(import_module(f"genpage.cli.{self.module}"), self.name)
        return loaded


ENTRIES = (
    Entry(("demo",), "demo", "Demo", "everything embedded: simulate, train, export, serve"),
    Entry(("simulate",), "simulate", "Simulate", "a synthetic service: catalog, members, pages"),
    Entry(("import", "movietweetings"), "import_", "ImportMovieTweetings", "real data -> layout"),
    Entry(("validate",), "validate", "Validate", "check data against the layout"),
    Entry(("rules", "check"), "rules", "RulesCheck", "check a rules file"),
    Entry(("init",), "init", "Init", "a checkpoint of random weights, or one grown"),
    Entry(("train", "pretrain"), "train", "Pretrain", "next-token prediction on pages"),
    Entry(("train", "wbc"), "train", "WBC", "a logit becomes a value, from rewards"),
    Entry(("train", "reward-model"), "train", "RewardModelling", "what a page would be worth"),
    Entry(("train", "rl"), "rl", "RL", "whole pages against the reward model"),
    Entry(("train", "drafts"), "drafts", "Drafts", "a head that foretells, for faster pages"),
    Entry(("train", "recipe"), "recipe", "WholeRecipe", "all of these, then the newest days"),
    Entry(("train", "histories"), "train_daily", "Histories", "next titles after every event"),
    Entry(("train", "daily"), "train_daily", "Daily", "go on with a finished day"),
    Entry(("daily",), "daily", "DailyCycle", "train, export and announce, day after day"),
    Entry(("export",), "export", "Export", "checkpoint -> ONNX bundle"),
    Entry(("evaluate", "next-item"), "evaluate", "NextItem", "HR and NDCG beside baselines"),
    Entry(("evaluate", "freshness"), "freshness", "Freshness", "updated daily, or not"),
    Entry(("evaluate", "cold-start"), "cold_start", "ColdStartCommand", "day-zero quality"),
    Entry(
        ("evaluate", "pages"), "pages", "EvaluatePages", "audit served pages, compare precisions"
    ),
    Entry(
        ("evaluate", "page-quality"), "page_quality", "PageQuality", "AUC, off-policy, true reward"
    ),
    Entry(("evaluate", "reward"), "true_reward", "EvaluateReward", "pages judged by the truth"),
    Entry(("explain", "reward"), "explain", "ExplainReward", "why a page was worth what it was"),
    Entry(("serve",), "serve", "Serve", "serve a bundle over HTTP"),
    Entry(("study",), "study", "StudyCommand", "the method's claims, measured again"),
    Entry(("collect",), "collect", "Collect", "served pages and events -> a day's impressions"),
    Entry(("checkpoints", "publish"), "checkpoints", "Publish", "announce a bundle to replicas"),
    Entry(("checkpoints", "list"), "checkpoints", "List", "what was announced"),
    Entry(("checkpoints", "activate"), "checkpoints", "Activate", "make pages with a version"),
    Entry(("checkpoints", "rollback"), "checkpoints", "Rollback", "go back to the version before"),
    Entry(("checkpoints", "status"), "checkpoints", "Status", "who serves what, and why"),
    Entry(("bench", "page"), "bench", "BenchPage", "a page's latency, cold and returning"),
    Entry(("bench", "load"), "bench", "BenchLoad", "pages a second, many members at once"),
    Entry(("bench", "bounds"), "bench", "BenchBounds", "a fast page's bounds, peers beside"),
    Entry(("bench", "multistage"), "bench", "BenchMultistage", "the pipeline it replaces, beside"),
    Entry(("bench", "overhead"), "bench", "BenchOverhead", "the server around the engine"),
    Entry(("bench", "engine"), "bench", "BenchEngine", "the engine around the model"),
    Entry(("bench", "prompts"), "bench", "BenchPrompts", "encoding a member's prompt"),
    Entry(("bench", "freshness"), "bench", "BenchFreshness", "from an event to the page"),
    Entry(("bench", "swap"), "bench", "BenchSwap", "what a new bundle costs pages meanwhile"),
    Entry(("bench", "context-store"), "bench", "BenchContextStore", "what Redis costs"),
    Entry(("bench", "log"), "bench", "BenchLog", "what the event log's guarantees cost"),
    Entry(("bench", "catalog"), "bench", "BenchCatalog", "a title arrives while pages are made"),
    Entry(("bench", "lanes"), "bench", "BenchLanes", "chunks of several pages in one pass"),
    Entry(("bench", "memory"), "bench", "BenchMemory", "ready when, and memory as members come"),
    Entry(("bench", "head"), "bench", "BenchHead", "scores and choice, by titles and eligible"),
    Entry(("bench", "trunk"), "bench", "BenchTrunk", "forward passes of exported trunks"),
)
_EXIT_FAILED, _EXIT_USAGE = 1, 2


def main(arguments: Sequence[str] | None = None) -> None:
    """The entry point. Exit codes: 0 done, 1 failed, 2 usage."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        run(words)
    except UsageError as error:
        _end(f"genpage: {error}", _EXIT_USAGE)
    except GenPageError as error:
        _end(f"genpage: {error}", _EXIT_FAILED)
    except OSError as error:
        if isinstance(error, BrokenPipeError):  # the reader left: `genpage ... | head`
            sys.stderr.close()
            sys.exit(_EXIT_FAILED)
        _end(f"genpage: {error}", _EXIT_FAILED)  # a full disk, a folder that may not be written
    except KeyboardInterrupt:
        _end("genpage: interrupted", _EXIT_FAILED)


def run(words: list[str]) -> None:
    """Find the command that ``words`` begin with, parse the rest, run it."""
    if not words or words[0] in {"-h", "--help", "help"}:
        Console().print(_overview(ENTRIES))
        return
    entry = next((e for e in ENTRIES if tuple(words[: len(e.words)]) == e.words), None)
    if entry is None:
        group = [e for e in ENTRIES if e.words[0] == words[0]]
        if group and (len(words) == 1 or words[1] in {"-h", "--help"}):
            Console().print(_overview(group))
            return
        known = ", ".join(" ".join(e.words) for e in group or ENTRIES)
        raise UsageError(f"no command {' '.join(words[:2])!r}; there are: {known}")
    Command.every_key = frozenset[str]().union(*(e.load().setting_names() for e in ENTRIES))
    _parse(entry, words[len(entry.words) :]).run()


def _parse(entry: Entry, flags: list[str]) -> Command:
    command = entry.load()
    sys.argv[0] = " ".join(("genpage", *entry.words))  # what argparse names in its usage line
    try:
        parsed = CliApp.run(command, cli_args=flags, cli_cmd_method_name="_parsed")
    except ValidationError as error:
        first = error.errors()[0]
        name = "-".join(str(part) for part in first["loc"])
        message = first["msg"].removeprefix("Value error, ")
        raise UsageError(f"{_origin(name, flags)}: {message}") from error
    except SettingsError as error:
        raise UsageError(str(error)) from error
    parsed.called_with(flags)
    return parsed


def _origin(name: str, flags: list[str]) -> str:
    """Where a setting's value came from: its flag, else the variable, else the file."""
    flag, key = "--" + name.replace("_", "-"), name.replace("-", "_")
    variable = f"GENPAGE_{key.upper()}"
    if any(word == flag or word.startswith(f"{flag}=") for word in flags):
        return flag
    if os.environ.get(variable):  # an empty one counts as none
        return f"the environment variable {variable}"
    in_file = key in read_config(Path(CONFIG_FILE), Command.every_key)
    return f"{CONFIG_FILE}: {key}" if in_file else flag


def _overview(entries: Sequence[Entry]) -> Table:
    table = Table("command", "does", box=None, title="genpage COMMAND --help: its flags")
    for entry in entries:
        table.add_row(f"genpage {' '.join(entry.words)}", entry.summary)
    return table


def _end(message: str, code: int) -> None:
    sys.stderr.write(message + "\n")
    sys.exit(code)
