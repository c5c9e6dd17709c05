"""The image as its ``Dockerfile`` makes it, read and followed without a container engine."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
COMPILERS = re.compile(r"\b(gcc|g\+\+|clang|build-essential|rustc|cargo|cmake|make|apt-get)\b")


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage: what it stands on, and its instructions in order."""

    base: str
    instructions: tuple[tuple[str, str], ...]

    def all(self, name: str) -> list[str]:
        """The arguments of every instruction of that name."""
        return [argument for each, argument in self.instructions if each == name]


def stages() -> list[Stage]:
    """The Dockerfile's stages, comments and line continuations resolved."""
    text = (ROOT / "Dockerfile").read_text("utf-8")
    kept = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    found: list[Stage] = []
    for line in kept.replace("\\\n", " ").splitlines():
        name, _, argument = line.strip().partition(" ")
        if name == "FROM":
            found.append(Stage(argument, ()))
        elif name:
            last = found.pop()
            found.append(Stage(last.base, (*last.instructions, (name, " ".join(argument.split())))))
    return found


def locked(file: str) -> set[str]:
    """The packages that a lock file names."""
    text = (ROOT / "requirements" / file).read_text("utf-8")
    return set(re.findall(r"^([a-z0-9-]+)==", text, re.MULTILINE))


def test_two_stages_on_one_pinned_base() -> None:
    """A patch version and a distribution; the same in both, since one runs what the other made."""
    first, last = stages()
    assert first.base == f"{last.base} AS build"
    assert re.fullmatch(r"python:3\.11\.\d+-slim-[a-z]+", last.base)


def test_what_is_installed_is_locked_and_never_compiled() -> None:
    """Hashes for all that comes from outside; our own wheel with nothing fetched for it."""
    first, _ = stages()
    installs = [part for run in first.all("RUN") for part in run.split("&&") if "pip" in part]
    assert len(installs) == 5
    for install in installs[1:]:  # the first makes the environment
        outside = "--require-hashes" in install and "--only-binary :all:" in install
        assert outside or "--no-index" in install, install
    assert "requirements/serve.txt" in installs[1]


def test_serving_has_no_torch() -> None:
    """Nor what only training, export or development need."""
    packages = locked("serve.txt")
    assert {"onnxruntime", "fastapi", "aiokafka", "redis"} <= packages
    assert not packages & {"torch", "triton", "onnxscript", "scikit-learn", "scipy", "pytest"}


def test_the_last_stage_adds_no_tool() -> None:
    """A user, the environment that was made, a script: no compiler, no package manager run."""
    _, last = stages()
    for run in last.all("RUN"):
        assert not COMPILERS.search(run)
        assert "pip" not in run
    assert last.all("COPY")[0] == "--from=build /opt/genpage /opt/genpage"


def test_it_runs_as_nobody_in_particular_and_is_watched() -> None:
    """A numeric user before the entry point, a health check, SIGTERM to the server itself."""
    _, last = stages()
    (user,) = last.all("USER")
    assert user == "10001:10001"
    (health,) = last.all("HEALTHCHECK")
    assert "/livez" in health
    assert last.all("STOPSIGNAL") == ["SIGTERM"]
    assert last.all("ENTRYPOINT") == ['["genpage-serve"]']
    script = (ROOT / "deploy" / "serve.sh").read_text("utf-8")
    assert script.rstrip().endswith('exec genpage serve "$@"')


def test_the_context_holds_what_the_wheel_is_built_from() -> None:
    """Every package that pyproject.toml ships, and none of the data."""
    ignore = (ROOT / ".dockerignore").read_text("utf-8").split()
    let_in = {line[1:] for line in ignore if line.startswith("!")}
    pyproject = (ROOT / "pyproject.toml").read_text("utf-8")
    found = re.search(r"packages\.find\].*?include = \[(.*?)\]", pyproject, re.DOTALL)
    assert found is not None
    packages = set(re.findall(r'"([a-z]+)\*"', found[1]))
    assert packages <= let_in
    assert "*" in ignore
    assert not let_in & {"var", "tests", ".venv", ".git"}


@pytest.mark.parametrize(
    ("made", "given", "expected"),
    [
        ([], {}, "- -"),
        (["b/manifest.json", "d/profiles.parquet"], {}, "b d"),
        (["b/manifest.json"], {}, "b -"),
        (["b/manifest.json"], {"GENPAGE_BUNDLE": "own", "GENPAGE_DATA": "mine"}, "own mine"),
        (
            [],
            {"GENPAGE_BUNDLE": "var/x", "GENPAGE_DATA": "/mine", "GENPAGE_FROM": "/here"},
            "/here/var/x /mine",
        ),
    ],
)
def test_the_script_serves_what_is_mounted(
    tmp_path: Path, made: Sequence[str], given: dict[str, str], expected: str
) -> None:
    """The default bundle and data where they are there; what is asked for goes first."""
    for name in made:
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    stand_in = tmp_path / "genpage"
    stand_in.write_text('#!/bin/sh\necho "$@" "${GENPAGE_BUNDLE--}" "${GENPAGE_DATA--}"\n')
    stand_in.chmod(0o755)
    environment = {
        "PATH": f"{tmp_path}:/usr/bin:/bin",
        "DEFAULT_BUNDLE": "b",
        "DEFAULT_DATA": "d",
        "GENPAGE_BUNDLE": "",
        "GENPAGE_DATA": "",
        **given,
    }
    ran = subprocess.run(  # noqa: S603 - our own script
        [ROOT / "deploy" / "serve.sh", "--threads", "1"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout == f"serve --threads 1 {expected}\n"


def test_what_the_image_installs_serves(tmp_path: Path) -> None:
    """The steps of the first stage in a fresh environment: torch is not there, the server composes.

    By uv, which keeps what set-up fetched; the packages and hashes are those of the image.
    """
    sources = tmp_path / "sources"
    names = [p.name for p in ROOT.iterdir() if (p / "__init__.py").is_file() and p.name != "tests"]
    ignored = shutil.ignore_patterns("__pycache__")
    for name in names:
        shutil.copytree(ROOT / name, sources / name, ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, sources)
    venv = tmp_path / "venv"
    python = venv / "bin" / "python"
    uv = [sys.executable, "-m", "uv", "--quiet"]
    lock = ROOT / "requirements" / "serve.txt"
    onto = ["--python", str(python)]
    run([*uv, "venv", "--python", sys.executable, venv])
    run([*uv, "pip", "install", *onto, "--require-hashes", "--only-binary", ":all:", "-r", lock])
    wheels = tmp_path / "wheels"
    build = "from setuptools.build_meta import build_wheel; import sys; build_wheel(sys.argv[1])"
    wheels.mkdir()
    run([sys.executable, "-c", build, wheels], cwd=sources)
    (wheel,) = wheels.iterdir()
    run([*uv, "pip", "install", *onto, "--no-deps", "--no-index", wheel])
    probe = (
        "import importlib.util as u; from api.compose import Settings, compose; "
        "from api.logs import configure; from api.app import create_app; "
        "from streaming.broker import Broker; "
        "from genpage.cli.serve import Serve; "
        "create_app(compose(Serve(redis_url='redis://127.0.0.1:1').settings(), configure())); "
        "print(u.find_spec('torch'), u.find_spec('sklearn'), u.find_spec('pytest'))"
    )
    out = run([python, "-c", probe], cwd=tmp_path)
    assert out.strip().endswith("None None None")
    assert "serve" in run([venv / "bin" / "genpage", "--help"], cwd=tmp_path)


def run(command: Sequence[str | Path], cwd: Path | None = None) -> str:
    """What a command prints; its last words where it fails."""
    hidden = ("GENPAGE_", "PYTHON", "VIRTUAL_ENV", "OTEL_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
    ran = subprocess.run(  # noqa: S603 - our own command line
        command, cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr[-2_000:]
    return ran.stdout
