"""``genpage serve``: what it accepts, refuses before anything is loaded, and recalls."""

import io
import logging
import socket
from dataclasses import replace
from pathlib import Path

import orjson
import pytest
from pydantic import ValidationError
from pydantic_settings import CliApp

from api.auth import Keys
from api.compose import Settings, compose
from api.fake import FakeServed, Logbook, fake_catalog
from api.logs import configure
from genpage.cli.serve import Serve, is_loopback, listening_socket, read_keys
from genpage.errors import BundleError, DeviceError, RulesError, UsageError
from rollout.active import ActiveBundle
from runtime.device import CPU, CUDA
from runtime.model import LoadedModel, LoadSettings


def test_the_defaults_serve_loopback_without_keys() -> None:
    """With the console on and nothing asked for."""
    settings = Serve().settings()
    assert not settings.options.keys.on
    assert settings.options.console is True
    assert settings.limits.prefix_cache is True
    assert settings.limits.speculation is True
    assert (settings.limits.batch, settings.limits.queue) == (8, 64)


def test_a_device_that_is_not_there_is_said_before_anything_is_loaded(tmp_path: Path) -> None:
    """With exit code 2, whether or not there is a bundle; the CPU is the default."""
    assert Serve().settings().device is CPU
    settings = Serve(device="cuda", bundle=tmp_path / "nowhere").settings()
    assert settings.device is CUDA
    with pytest.raises(DeviceError, match="CUDAExecutionProvider"):
        compose(settings, Logbook().logger())


@pytest.mark.parametrize("part", ["prefix_cache", "speculation"])
def test_parts_are_switched_on_and_off_by_word(part: str) -> None:
    """As the protocol has it; through the command line, where a bool would be another flag."""
    for word, meant in (("off", False), ("on", True)):
        flag = f"--{part.replace('_', '-')}"
        serve = CliApp.run(Serve, cli_args=[flag, word], cli_cmd_method_name="settings")
        assert getattr(serve.settings().limits, part) is meant


def test_threads_poll_in_a_pass_unless_told_not_to() -> None:
    """By the flag, down to the model's sessions."""
    assert Serve().settings().session.spinning is True
    assert Serve(spinning="off").settings().session.spinning is False


def test_exploration_is_a_share_that_is_declared() -> None:
    """None by default, a fifth at most."""

    def share(*args: str) -> float:
        serve = CliApp.run(Serve, cli_args=[*args], cli_cmd_method_name="settings")
        return serve.settings().options.exploration.share

    assert share() == 0.0
    assert share("--explore", "0.05") == 0.05
    for refused in ("0.3", "-0.1", "some"):
        with pytest.raises(ValidationError, match="explore"):
            share("--explore", refused)


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("127.0.0.1", True),
        ("127.1.2.3", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),  # noqa: S104 - the very case
        ("::", False),
        ("192.168.1.7", False),
        ("example.org", False),
    ],
)
def test_off_loopback_keys_are_a_must(host: str, local: bool) -> None:
    """Members' data is not served to a network by a forgotten setting."""
    assert is_loopback(host) is local
    if local:
        assert Serve(host=host).settings().options.console
        return
    with pytest.raises(UsageError, match="GENPAGE_API_KEYS"):
        Serve(host=host).settings()
    options = Serve(host=host, api_keys="k1,k2").settings().options
    assert options.keys == Keys.of(["k1", "k2"])
    assert options.console is False
    with pytest.raises(UsageError, match="loopback only"):
        Serve(host=host, api_keys="k1", console="on").settings()


def test_a_redis_url_is_looked_at_before_the_bundle_is_loaded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A mistyped scheme is told at once; a password in it is not told at all."""
    monkeypatch.setenv("GENPAGE_REDIS_URL", "redis://:hidden@127.0.0.1:6379/1")
    serve = Serve()
    assert serve.settings().redis_url == "redis://:hidden@127.0.0.1:6379/1"
    assert "hidden" not in repr(serve)
    with pytest.raises(UsageError, match="--redis-url") as told:
        Serve(redis_url="rdis://:hidden@127.0.0.1").settings()
    assert "hidden" not in str(told.value)


def test_keys_come_by_environment_and_by_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both together hold; comments and blank lines are no keys."""
    file = tmp_path / "keys"
    file.write_text("# the old one\nold-key\n\n  new-key  \n")
    monkeypatch.setenv("GENPAGE_API_KEYS", "env-key")
    serve = Serve(api_keys_file=file)
    assert serve.settings().options.keys == Keys.of(["env-key", "old-key", "new-key"])
    assert "env-key" not in repr(serve)


def test_a_key_file_must_be_there_and_hold_a_key(tmp_path: Path) -> None:
    """An empty file would switch keys off without a word."""
    with pytest.raises(UsageError, match="cannot read"):
        read_keys("", tmp_path / "none")
    (tmp_path / "empty").write_text("# nothing\n")
    with pytest.raises(UsageError, match="holds no key"):
        read_keys("", tmp_path / "empty")


def test_a_taken_port_is_said_in_one_line() -> None:
    """Before the bundle is loaded, which takes seconds."""
    with listening_socket("127.0.0.1", 0) as taken:
        taken.listen()
        with pytest.raises(UsageError, match=r"cannot listen on 127\.0\.0\.1"):
            listening_socket("127.0.0.1", taken.getsockname()[1])
    with pytest.raises(UsageError, match="--host"):
        listening_socket("no such host", 0)


def test_a_bound_socket_does_not_listen_yet() -> None:
    """Who connects while the bundle loads is refused, not kept waiting."""
    with (
        listening_socket("127.0.0.1", 0) as bound,
        socket.socket() as client,
        pytest.raises(ConnectionRefusedError),
    ):
        client.connect(bound.getsockname())


@pytest.fixture
def bundles(monkeypatch: pytest.MonkeyPatch) -> dict[str, FakeServed]:
    """Folders that hold fake bundles; loading anything else is a `BundleError`."""
    held: dict[str, FakeServed] = {}

    def load(
        folder: Path, settings: LoadSettings | None = None, *, digest: str | None = None
    ) -> FakeServed:
        assert settings is not None
        found = held.get(folder.name)
        if found is None or digest not in {None, found.digest}:
            raise BundleError(f"{folder} is not the bundle asked for")
        return found

    monkeypatch.setattr(LoadedModel, "load", load)
    return held


def served(version: str) -> FakeServed:
    """A fake bundle of that version."""
    return replace(FakeServed.of(fake_catalog(20, 3)), version=version, digest=version * 32)


def active(settings: Settings, logbook: Logbook) -> str | None:
    """The version that a server composed so serves."""
    model = compose(settings, logbook.logger()).models.active
    return None if model is None else model.version


def test_the_active_bundle_is_remembered_and_goes_first(
    tmp_path: Path, bundles: dict[str, FakeServed]
) -> None:
    """At a restart with another --bundle, and without any."""
    logbook = Logbook()
    bundles.update(one=served("v1"), two=served("v2"))
    state = tmp_path / "state"
    assert active(Settings(bundle=tmp_path / "one", state_dir=state), logbook) == "v1"
    assert active(Settings(bundle=tmp_path / "two", state_dir=state), logbook) == "v1"
    assert active(Settings(state_dir=state), logbook) == "v1"
    assert "--bundle is passed over" in [line["event"] for line in logbook.lines]
    assert active(Settings(bundle=tmp_path / "two"), logbook) == "v2"


def test_a_remembered_bundle_that_is_another_now_is_passed_over(
    tmp_path: Path, bundles: dict[str, FakeServed]
) -> None:
    """Exported anew in the same place, or gone: --bundle is served, and remembered."""
    logbook = Logbook()
    bundles["one"] = served("v1")
    state = tmp_path / "state"
    assert active(Settings(bundle=tmp_path / "one", state_dir=state), logbook) == "v1"
    bundles["one"] = served("v2")
    assert active(Settings(bundle=tmp_path / "one", state_dir=state), logbook) == "v2"
    assert "the bundle that was active is gone" in [line["event"] for line in logbook.lines]
    recalled = ActiveBundle.recall(state, logbook.logger())
    assert recalled is not None
    assert recalled.version == "v2"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b'{"version": "v1"}',
        b"\xff",
        b'{"version": "v1", "digest": "d", "folder": 7}',
    ],
)
def test_a_torn_state_file_is_as_good_as_none(tmp_path: Path, content: bytes) -> None:
    """It is written whole or not at all, but disks and people exist: a warning says what to do."""
    logbook = Logbook()
    log = logbook.logger()
    assert ActiveBundle.recall(tmp_path, log) is None
    ActiveBundle("v1", "d", "/x").remember(tmp_path)
    assert ActiveBundle.recall(tmp_path, log) == ActiveBundle("v1", "d", "/x")
    assert logbook.lines == []
    (tmp_path / "active.json").write_bytes(content)
    assert ActiveBundle.recall(tmp_path, log) is None
    (line,) = logbook.lines
    assert (line["log_level"], line["file"]) == ("warning", str(tmp_path / "active.json"))
    assert "--bundle" in line["hint"]


def test_a_state_dir_that_is_a_file_is_said_by_its_flag(tmp_path: Path) -> None:
    """Before the bundle is loaded, and with or without one."""
    (tmp_path / "state").write_text("")
    with pytest.raises(UsageError, match=r"--state-dir .*state is a file"):
        compose(Settings(state_dir=tmp_path / "state"), Logbook().logger())


def test_no_bundle_is_a_warning_and_a_broken_one_an_error(
    tmp_path: Path, bundles: dict[str, FakeServed]
) -> None:
    """Without one the server starts and is not ready; a wrong one is not served at all."""
    logbook = Logbook()
    assert bundles == {}
    assert active(Settings(), logbook) is None
    assert [line["log_level"] for line in logbook.lines] == ["warning"]
    with pytest.raises(BundleError):
        compose(Settings(bundle=tmp_path / "broken"), logbook.logger())


def test_a_wrong_rules_file_stops_the_start(tmp_path: Path, bundles: dict[str, FakeServed]) -> None:
    """Rather than serving under rules that nobody asked for."""
    bundles["one"] = served("v1")
    (tmp_path / "rules.toml").write_text("schema = 1\nno_such_rule = true\n")
    settings = Settings(bundle=tmp_path / "one", rules=tmp_path / "rules.toml")
    with pytest.raises(RulesError, match="no_such_rule"):
        compose(settings, Logbook().logger())


def test_logs_are_json_lines_uvicorns_included() -> None:
    """One document a line, with level and time; tracebacks as text, without local variables."""
    stream = io.StringIO()
    before = logging.root.handlers[:]
    try:
        log = configure("info", stream)
        log.debug("unseen")
        log.info("seen", pages=3)
        logging.getLogger("uvicorn.error").info("Started")
        secret = "0" * 5_000  # too long a number to be told in the error
        try:
            int(secret)
        except ValueError:
            log.exception("unhandled")
    finally:
        logging.root.handlers[:] = before
    lines = [orjson.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["event"] for line in lines] == ["seen", "Started", "unhandled"]
    assert lines[0]["pages"] == 3
    assert {line["level"] for line in lines} == {"info", "error"}
    assert all("timestamp" in line for line in lines)
    assert "ValueError" in lines[2]["exception"]
    assert secret not in stream.getvalue()


def test_packed_weights_are_written_to_the_state_folder(tmp_path: Path) -> None:
    """A container's temporary folder would count as memory."""
    state = tmp_path / "state"
    server = compose(Settings(state_dir=state), Logbook().logger())
    assert server.rollout is not None
    assert server.rollout.settings.loading.packed == state / "packed"
