"""Golden pages that this host has met are not made again; anything else about them is checked."""

from pathlib import Path

import pytest
from forgery import Document, copied, cover_up, edit

import runtime.verdicts
from genpage.errors import BundleError
from genpage.source_files import folders_of
from runtime import golden
from runtime.model import LoadedModel, LoadSettings
from runtime.sessions import SessionSettings
from runtime.verdicts import Verdicts


def settings_of(folder: Path) -> LoadSettings:
    """Of one slot, with verdicts in a folder."""
    return LoadSettings(1, SessionSettings(1), verdicts=Verdicts(folder))


@pytest.fixture
def replays(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many golden pages each replay made."""
    made: list[int] = []
    check = golden.check

    def counted(
        model: LoadedModel, cases: tuple[object, ...], *args: object, **how: object
    ) -> None:
        made.append(len(cases))
        check(model, cases, *args, **how)  # type: ignore[arg-type]  # handed on as it came

    monkeypatch.setattr(golden, "check", counted)
    return made


def test_a_bundle_is_tried_out_once_a_host(
    int8_bundle: Path, tmp_path: Path, replays: list[int]
) -> None:
    """And again where the processor, onnxruntime or our code is another."""
    for _ in range(2):
        LoadedModel.load(int8_bundle, settings_of(tmp_path / "verified"))
    assert len(replays) == 1
    for what in ("cpu_note", "runtime_version", "_code"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(runtime.verdicts, what, lambda: "another")
            LoadedModel.load(int8_bundle, settings_of(tmp_path / "verified"))
    assert len(replays) == 4


def test_other_rules_are_other_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The default rules decide pages as much as the code does."""
    (tmp_path / "rules.py").write_text("A = 1\n")

    def found(rules: str) -> str:
        (tmp_path / "default_rules.toml").write_text(rules)
        return runtime.verdicts._code.__wrapped__()

    monkeypatch.setattr(runtime.verdicts, "folders_of", lambda _: [tmp_path])
    assert found("a = 1\n") != found("a = 2\n")
    monkeypatch.undo()
    assert all(folders_of(room) for room in runtime.verdicts._ROOMS)


def test_without_a_folder_nothing_is_remembered(int8_bundle: Path, replays: list[int]) -> None:
    """As where export judges what it has just made."""
    for _ in range(2):
        LoadedModel.load(int8_bundle, LoadSettings(1, SessionSettings(1)))
    assert len(replays) == 2


def test_another_bundle_is_tried_out(
    fp32_bundle: Path, int8_bundle: Path, tmp_path: Path, replays: list[int]
) -> None:
    """One digest's verdict says nothing of another's."""
    LoadedModel.load(int8_bundle, settings_of(tmp_path))
    LoadedModel.load(fp32_bundle, settings_of(tmp_path))
    assert len(replays) == 2


def test_what_fails_is_not_remembered(
    int8_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is refused each time."""

    def fails(*_: object, **__: object) -> None:
        raise BundleError("another page")

    monkeypatch.setattr(golden, "check", fails)
    for _ in range(2):
        with pytest.raises(BundleError, match="another page"):
            LoadedModel.load(int8_bundle, settings_of(tmp_path))


def _other_score(document: Document) -> None:
    document["cases"][1]["scores"][0] += 100.0


def test_files_are_checked_at_every_start(int8_bundle: Path, tmp_path: Path) -> None:
    """A bundle that was met and then damaged is refused; and it is another where that is hidden."""
    bundle = copied(int8_bundle, tmp_path)
    verified = settings_of(tmp_path / "verified")
    LoadedModel.load(bundle, verified)
    edit(bundle / "golden.json", _other_score)
    with pytest.raises(BundleError, match="copy it again"):
        LoadedModel.load(bundle, verified)
    cover_up(bundle)
    with pytest.raises(BundleError, match="golden member"):
        LoadedModel.load(bundle, verified)


def test_only_the_newest_verdicts_are_kept(tmp_path: Path) -> None:
    """However many bundles a replica has served."""
    verdicts = Verdicts(tmp_path)
    for number in range(80):
        verdicts.remember(f"digest {number}")
    assert len(list(tmp_path.iterdir())) == 64
    assert verdicts.holds("digest 79")


def test_a_folder_that_cannot_be_written_is_no_harm(tmp_path: Path) -> None:
    """The pages are made again, that is all."""
    file = tmp_path / "file"
    file.write_text("")
    verdicts = Verdicts(file / "verified")
    verdicts.remember("digest")
    assert not verdicts.holds("digest")


def test_the_users_cache_is_where_the_specification_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``$XDG_CACHE_HOME``, else ``~/.cache``."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    Verdicts.of_user().remember("digest")
    assert len(list((tmp_path / "cache" / "genpage" / "verified").iterdir())) == 1
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert not Verdicts.of_user().holds("digest")
    Verdicts.of_user().remember("digest")
    assert (tmp_path / "home" / ".cache" / "genpage" / "verified").is_dir()


def test_a_bundle_of_which_only_some_pages_were_met_is_not_remembered(
    int8_bundle: Path, tmp_path: Path
) -> None:
    """A trial goes through them one by one, and may be given up in between."""
    settings = settings_of(tmp_path / "verified")
    model, cases = LoadedModel.read(int8_bundle, settings)
    model.try_out(cases[:1])
    assert not settings.verdicts.holds(model.digest)
    model.passed()
    assert settings.verdicts.holds(model.digest)
