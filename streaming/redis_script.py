"""Lua scripts: sent once, then called by their digest."""

import hashlib
from collections.abc import Awaitable, Sequence
from pathlib import Path
from typing import Any, Self, cast

from redis.asyncio import Redis
from redis.exceptions import NoScriptError

from streaming.redis_client import Commands

_FOLDER = Path(__file__).parent / "lua"
Value = str | bytes | int | float


class Script:
    """One script; ``lua/context.lua`` stands before each."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._digest = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()

    @classmethod
    def named(cls, name: str) -> Self:
        """The script of that file."""
        parts = [(_FOLDER / f"{part}.lua").read_text("utf-8") for part in ("context", name)]
        return cls("\n".join(parts))

    async def run(self, redis: Commands, keys: Sequence[str], args: Sequence[Value]) -> Any:  # noqa: ANN401 - whatever the script returns
        """What it returns."""
        try:
            return await _execute(redis, "EVALSHA", self._digest, keys, args)
        except NoScriptError:
            return await _execute(redis, "EVAL", self._source, keys, args)

    async def run_together(
        self, redis: Redis, calls: Sequence[tuple[Sequence[str], Sequence[Value]]]
    ) -> list[Any]:
        """What each call returns; all of them are done or none. One server only."""
        pipeline = redis.pipeline(transaction=True)
        # Known to the server from the first command on; the rest name it by its digest.
        for number, (keys, args) in enumerate(calls):
            command = ("EVALSHA", self._digest) if number else ("EVAL", self._source)
            pipeline.execute_command(*command, len(keys), *keys, *args)
        return cast("list[Any]", await cast("Awaitable[Any]", pipeline.execute()))


async def _execute(
    redis: Commands, command: str, script: str, keys: Sequence[str], args: Sequence[Value]
) -> Any:  # noqa: ANN401 - whatever the script returns
    return await redis.execute_command(command, script, len(keys), *keys, *args)
