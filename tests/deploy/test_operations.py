"""``docs/operations.md``: its commands parse, its metrics exist, its links lead somewhere."""

import re
import shlex
from pathlib import Path

import pytest
from pydantic_settings import CliApp

from genpage.cli import ENTRIES

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "operations.md").read_text("utf-8")
BLOCKS = re.findall(r"^```sh\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
IN_PROSE = re.findall(r"`((?:[A-Z_]+=\S+ )*genpage [^`]+)`", TEXT)
ASSIGNMENT = re.compile(r"[A-Z_]+=.*")


def command_lines() -> list[str]:
    """Every line of the fenced blocks, continued ones joined."""
    joined = "\n".join(BLOCKS).replace("\\\n", " ")
    return [line.strip() for line in joined.splitlines() if line.strip()]


def arguments_of(line: str) -> list[str]:
    """The words of a line behind its variables."""
    words = shlex.split(line.replace("VERSION", "v1").replace("...", "bundle"))
    while words and ASSIGNMENT.fullmatch(words[0]):
        words.pop(0)
    return words


GENPAGE = [line for line in (*command_lines(), *IN_PROSE) if arguments_of(line)[:1] == ["genpage"]]


@pytest.mark.parametrize("line", GENPAGE)
def test_genpage_commands_parse(line: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The command is in the table, and takes the flags that it is given."""
    monkeypatch.chdir(tmp_path)
    words = arguments_of(line)[1:]
    found = [entry for entry in ENTRIES if tuple(words[: len(entry.words)]) == entry.words]
    if not found:  # named in prose, without all of its words
        assert words == [] or any(entry.words[0] == words[0] for entry in ENTRIES)
        return
    (entry,) = found
    rest = words[len(entry.words) :]
    ran: list[object] = []
    monkeypatch.setattr(entry.load(), "run", ran.append)
    if rest:
        CliApp.run(entry.load(), cli_args=rest, cli_cmd_method_name="run")
        assert len(ran) == 1


def test_there_are_commands_of_every_kind() -> None:
    """Swapping, going back, draining, erasing, exporting, serving: each stands in a block."""
    text = "\n".join(command_lines())
    for wanted in (
        "checkpoints publish",
        "checkpoints status",
        "checkpoints rollback",
        "genpage export",
        "genpage serve",
        "-X DELETE",
        "-TERM",
        "/readyz",
        "/metrics",
    ):
        assert wanted in text


def test_files_and_links_are_there() -> None:
    """Paths of the repository in backticks, and anchors within the page."""
    for path in re.findall(r"`((?:deploy|docs)/[\w./-]+)`", TEXT):
        assert (ROOT / path).exists(), path
    headings = re.findall(r"^#+ (.+)$", TEXT, re.MULTILINE)
    anchors = {re.sub(r"[^a-z0-9 -]", "", text.lower()).replace(" ", "-") for text in headings}
    linked = re.findall(r"\]\(#([\w-]+)\)", TEXT)
    assert linked
    assert set(linked) <= anchors


def test_environment_variables_are_keys_of_commands() -> None:
    """A mistyped one would be refused by the server, so it must not be advised."""
    keys = {key for entry in ENTRIES for key in entry.load().model_fields}
    keys |= {entry.words[0] for entry in ENTRIES}
    for name in re.findall(r"GENPAGE_([A-Z_]+)", TEXT):
        assert name.lower() in keys, name
