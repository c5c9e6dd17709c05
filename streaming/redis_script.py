"""Lua scripts: sent once, then called by their digest."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from redis.exceptions import NoScriptError

from streaming.redis_client import Commands

_FOLDER = Path(__file__).parent / "lua"
_FIRST = ("context", "prompts")
Value = str | bytes | int | float


class Script:
    """One script; ``lua/context.lua`` and ``lua/prompts.lua`` stand before each."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._digest = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()

    @classmethod
    def named(cls, name: str) -> Self:
        """The script of that file."""
        parts = [(_FOLDER / f"{part}.lua").read_text("utf-8") for part in (*_FIRST, name)]
        return cls("\n".join(parts))

    async def run(self, redis: Commands, keys: Sequence[str], args: Sequence[Value]) -> Any:  # noqa: ANN401 - whatever the script returns
        """What it returns."""
        try:
            return await _execute(redis, "EVALSHA", self._digest, keys, args)
        except NoScriptError:
            return await _execute(redis, "EVAL", self._source, keys, args)


async def _execute(
    redis: Commands, command: str, script: str, keys: Sequence[str], args: Sequence[Value]
) -> Any:  # noqa: ANN401 - whatever the script returns
    return await redis.execute_command(command, script, len(keys), *keys, *args)
