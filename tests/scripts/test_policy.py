"""The policy modules' bounds, which `make check` holds."""

from pathlib import Path

from scripts.policy import modules, problems

ROOT = Path(__file__).resolve().parents[2]


def test_the_project_holds_them() -> None:
    """The contract names who decides, and each is small."""
    assert list(problems(ROOT)) == []
    assert {"runtime.writer", "runtime.draft", "runtime.pace"} <= set(modules(ROOT))


def test_what_breaks_them_is_told(tmp_path: Path) -> None:
    """Too long, not there, or behind a module that nobody listed."""
    (tmp_path / "pyproject.toml").write_text(
        '[[tool.importlinter.contracts]]\nname = "Another"\nsource_modules = ["runtime.other"]\n'
        '[[tool.importlinter.contracts]]\nname = "Policy is pure"\n'
        'source_modules = ["runtime.long", "runtime.gone", "runtime.short"]\n'
    )
    room = tmp_path / "runtime"
    room.mkdir()
    (room / "long.py").write_text("pass\n" * 200)
    (room / "short.py").write_text(
        "from runtime.long import x\nfrom runtime import hidden\n" + "pass\n" * 197
    )
    assert list(problems(tmp_path)) == [
        "runtime.long has 200 lines, a policy module fewer than 200: split it by noun",
        "runtime.gone is listed as policy and is not there",
        "runtime.short imports runtime.hidden, which is not listed as policy",
    ]
