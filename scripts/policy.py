"""Hold the policy modules, those of the contract "Policy is pure", to their bounds.

Each is under 200 lines, and what one imports of the runtime is policy too: import-linter alone
would not miss a module that nobody listed.
"""

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

LINES = 200
CONTRACT = "Policy is pure"
ROOM = "runtime"


def modules(root: Path) -> list[str]:
    """Their names, as the contract lists them."""
    document = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))
    (listed,) = (
        contract["source_modules"]
        for contract in document["tool"]["importlinter"]["contracts"]
        if contract["name"] == CONTRACT
    )
    return [str(name) for name in listed]


def problems(root: Path) -> Iterator[str]:
    """What is wrong with them, a line each."""
    names = modules(root)
    for name in names:
        path = root.joinpath(*name.split(".")).with_suffix(".py")
        if not path.is_file():
            yield f"{name} is listed as policy and is not there"
            continue
        source = path.read_text("utf-8")
        count = len(source.splitlines())
        if count >= LINES:
            yield f"{name} has {count} lines, a policy module fewer than {LINES}: split it by noun"
        for imported in sorted(_imported(ast.parse(source)) - set(names)):
            yield f"{name} imports {imported}, which is not listed as policy"


def _imported(tree: ast.Module) -> set[str]:
    """The room's modules that a source names."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module == ROOM:
            found |= {f"{ROOM}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return {name for name in found if name.startswith(f"{ROOM}.")}


if __name__ == "__main__":
    if told := list(problems(Path())):
        raise SystemExit("\n".join(told))
