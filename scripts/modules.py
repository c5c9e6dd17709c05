"""Write ARCHITECTURE.md's list of modules: each file with the first line of its docstring.

With ``--check``, fail where the list is not what it would write.
"""

import ast
import subprocess
import sys
from pathlib import Path

ROOMS = (
    "genpage", "genpage/cli", "tokenizer", "model", "training", "training/rewards", "training/rl",
    "dataset", "simulation", "export", "runtime", "rollout", "streaming", "api", "api/routes",
    "evaluation", "evaluation/multistage", "evaluation/studies", "benchmarks", "deploy",
)  # fmt: skip
TITLE = "## Every module in a line\n"
DOCUMENT = Path("ARCHITECTURE.md")


def line_of(path: Path) -> str:
    """``- `runtime/engine.py`: what it is``."""
    summary = (ast.get_docstring(ast.parse(path.read_text("utf-8"))) or "").split("\n\n")[0]
    first = " ".join(summary.split()).rstrip(".")
    return f"- `{path}`: {first}"


def listing() -> str:
    """The whole section. Only files that git knows or would add: no one's leftovers."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *ROOMS]
    known = subprocess.run(command, check=True, capture_output=True, text=True).stdout  # noqa: S603
    files = sorted({Path(name) for name in known.splitlines() if name.endswith(".py")})
    parts = [TITLE, "\nWritten by `python scripts/modules.py`, held by `make check`.\n"]
    for room in ROOMS:
        inside = [path for path in files if str(path.parent) == room and path.exists()]
        parts.append(f"\n### {room}\n")
        parts.extend(f"{line_of(path)}\n" for path in inside if path.name != "__init__.py")
    return "\n".join(part.rstrip("\n") for part in parts) + "\n"


def main() -> None:
    """Write or check."""
    text = DOCUMENT.read_text("utf-8")
    wanted = text[: text.index(TITLE)] + listing()
    if "--check" not in sys.argv:
        DOCUMENT.write_text(wanted, "utf-8")
    elif wanted != text:
        raise SystemExit("ARCHITECTURE.md does not list every module as it is; run `make modules`")


main()
