"""The command line's conventions: flags, environment, file, exit codes."""

import socket
from pathlib import Path

import pytest

from genpage.cli import ENTRIES, main
from genpage.cli.command import Command, read_config
from genpage.cli.rules import RulesCheck
from genpage.cli.serve import Serve
from genpage.errors import UsageError


def ends(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """The exit code and stderr of a command line that fails."""
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    code = stop.value.code
    assert isinstance(code, int)
    return code, capsys.readouterr().err


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GENPAGE_REAL_DATA", raising=False)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: " ".join(entry.words))
def test_every_command_tells_its_flags(entry: object, capsys: pytest.CaptureFixture[str]) -> None:
    """``--help`` works for each, and shows the environment twin of each flag."""
    words = getattr(entry, "words", ())
    with pytest.raises(SystemExit) as stop:
        main([*words, "--help"])
    assert stop.value.code in {0, None}
    assert "GENPAGE_JSON" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["fly"], "fly"),
        (["rules", "mend"], "rules check"),
        (["rules", "check"], "FILE"),
        (["rules", "check", "a.toml", "--speed", "9"], "--speed"),
        (["serve", "--port", "high"], "--port"),
        (["serve", "--port", "0x"], "--port"),
    ],
)
def test_a_wrong_command_line_is_one_line_and_code_2(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The message names what is wrong; no traceback."""
    code, err = ends(arguments, capsys)
    assert code == 2
    assert says in err
    assert "Traceback" not in err


def test_a_failing_command_is_one_line_and_code_1(capsys: pytest.CaptureFixture[str]) -> None:
    """A file that is not there is the user's to mend, in one line."""
    code, err = ends(["rules", "check", "none.toml"], capsys)
    assert code == 1
    assert err.count("\n") == 1
    assert "none.toml" in err


def test_an_unknown_variable_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A mistyped variable must not leave a default in force."""
    monkeypatch.setenv("GENPAGE_PROT", "9")
    code, err = ends(["serve"], capsys)
    assert code == 2
    assert "GENPAGE_PROT" in err


def test_variables_that_others_set_are_let_be(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Kubernetes names variables after a service called genpage."""
    monkeypatch.setenv("GENPAGE_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("GENPAGE_PORT_8700_TCP", "x")
    code, _ = ends(["rules", "check", "none.toml"], capsys)
    assert code == 1


def test_a_service_link_is_no_port(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What Kubernetes puts into GENPAGE_PORT is passed over with a warning, whatever it links."""
    monkeypatch.setenv("GENPAGE_PORT", "tcp://10.0.0.1:80")
    assert Serve().port == 8700
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "GENPAGE_PORT is passed over" in err
    monkeypatch.setenv("GENPAGE_PORT", "9000")
    assert Serve().port == 9000
    assert not capsys.readouterr().err


def test_a_wrong_variable_is_named_as_such(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever gave no flag is not sent to look for one."""
    monkeypatch.setenv("GENPAGE_MAX_BATCH", "many")
    code, err = ends(["serve"], capsys)
    assert code == 2
    assert "the environment variable GENPAGE_MAX_BATCH: " in err
    code, err = ends(["serve", "--max-batch", "few"], capsys)
    assert code == 2
    assert "--max-batch: " in err


def test_a_wrong_value_of_the_file_is_named_by_file_and_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only where the file is what counts: variables and flags go before it."""
    (tmp_path / "genpage.toml").write_text("max-batch = 'many'\n")
    monkeypatch.setenv("GENPAGE_MAX_BATCH", "")
    code, err = ends(["serve"], capsys)
    assert (code, err.partition(": Input")[0]) == (2, "genpage: genpage.toml: max_batch")
    monkeypatch.setenv("GENPAGE_MAX_BATCH", "some")
    assert "variable GENPAGE_MAX_BATCH: " in ends(["serve"], capsys)[1]
    assert "genpage: --max-batch: " in ends(["serve", "--max-batch", "few"], capsys)[1]


def test_an_interrupted_command_is_one_line_and_code_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ctrl-C is no traceback, and there are the exit codes 0, 1 and 2 alone."""

    def interrupted(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(RulesCheck, "run", interrupted)
    assert ends(["rules", "check", "a.toml"], capsys) == (1, "genpage: interrupted\n")


def test_an_unknown_key_of_the_file_is_refused_by_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """``genpage.toml`` is checked like a flag."""
    (tmp_path / "genpage.toml").write_text("prot = 9\n")
    code, err = ends(["serve"], capsys)
    assert code == 2
    assert "prot" in err


def test_another_commands_key_is_fine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One file configures several commands."""
    (tmp_path / "genpage.toml").write_text("port = 9\nprefix-cache = 'off'\n")
    code, _ = ends(["rules", "check", "none.toml"], capsys)
    assert code == 1


def test_a_file_that_is_no_toml_says_so(tmp_path: Path) -> None:
    """A syntax error names the file."""
    (tmp_path / "broken.toml").write_text("port = ")
    with pytest.raises(UsageError, match=r"broken\.toml"):
        read_config(tmp_path / "broken.toml", frozenset())


def test_flags_win_over_variables_and_variables_over_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The order of precedence, from one command's point of view."""

    class Probe(Command):
        """Three ports."""

        one: int = 1
        two: int = 1
        three: int = 1
        four: int = 1

    Command.every_key = frozenset()
    (tmp_path / "genpage.toml").write_text("two = 2\nthree = 2\nfour = 2\n")
    monkeypatch.setenv("GENPAGE_THREE", "3")
    monkeypatch.setenv("GENPAGE_FOUR", "3")
    probe = Probe(four=4)
    assert (probe.one, probe.two, probe.three, probe.four) == (1, 2, 3, 4)


def test_a_demo_on_a_taken_port_says_so_before_it_makes_anything(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody waits minutes for that."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert ends(["demo", "--port", port], capsys) == (
            2,
            f"genpage: cannot listen on 127.0.0.1:{port}: Address already in use; --port?\n",
        )
    assert not list(tmp_path.iterdir())
