"""Contexts in Redis. One script call applies a member's events; one GET reads a member."""

import asyncio
import contextlib
import random
import struct
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain
from typing import Any, TypeVar

from genpage.context import HISTORY_LIMIT, Context
from genpage.errors import UnavailableError
from genpage.event import Event
from genpage.profile import Profile
from streaming import context_value, event_tokens, redis_keys
from streaming.ports import Vocabularies, no_vocabularies
from streaming.recent import Recent
from streaming.redis_client import RedisClient
from streaming.redis_script import Script, Value
from tokenizer.buckets import AGES, GAP_EDGES, anchor_of

# What nobody touches for so long is let go; a tenth more or less, so that what came together does
# not go together. Seconds.
KEPT_S = 90 * 86_400
JITTER = 0.1
# How long replayed events stay forgotten: the topics must not keep them longer. Seconds.
ERASED_S = 90 * 86_400

# Calls at a time, where each has a connection of its own.
_TOGETHER = 16

# Pages of a hundred replicas, and their caches, hear of an erasure on it.
ERASURES = "genpage:erased"

# What the script needs in numbers. Of a member: time to live, how many events; of an event: mark,
# time, midnight, how much of the line tells it from others.
_MEMBER = struct.Struct("<II")
_EVENT = struct.Struct("<IddH")

# A context from a data folder, for a member who is neither there nor was erased.
_LOAD = """
if redis.call('EXISTS', KEYS[1], KEYS[2]) == 0 then
  redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
end
"""
_DROP = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end"


T = TypeVar("T")
# Keys and arguments of a script.
Call = tuple[list[str], list[Value]]


class RedisContextStore:
    """A `ContextStore`; what it reads is `Recent`'s from then on."""

    def __init__(
        self,
        client: RedisClient,
        recent: Recent,
        *,
        vocabularies: Vocabularies = no_vocabularies,
        history: int = HISTORY_LIMIT,
        kept_s: int = KEPT_S,
        erased_s: int = ERASED_S,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._client = client
        self._recent = recent
        self._vocabularies = vocabularies
        # What is in the store; events that come while it is something else are not taken. Any: "".
        self.epoch = ""
        # Whether a data folder is still to be taken in: what happens now comes after it, or would
        # stand in its place.
        self.filling = False
        self._history = history
        self._kept_s = kept_s
        self._erased_s = erased_s
        self._clock = clock
        self._apply = Script.named("apply")
        self._profile = Script.named("profile")
        self._erase = Script.named("erase")
        self._drop = Script(_DROP)
        self._load = Script(_LOAD)

    async def get(self, user_id: str) -> Context | None:
        """What is held of a member, None for one nobody knows."""
        erasures = self._recent.erasures
        key = redis_keys.context(user_id)
        values = await self._client.values(key)
        return await self.known(user_id, values[0], erasures=erasures)

    async def known(self, user_id: str, value: bytes | None, *, erasures: int) -> Context | None:
        """The context in a value that was read when `Recent` had seen so many ``erasures``."""
        if value is None:
            self._recent.forget(user_id)
            return None
        before = self._recent.get(user_id)
        if before is not None and before.value == value:
            self._recent.put(before, erasures=erasures)
            return before.context
        context = context_value.decode(value, user_id, before)
        if context is not None:
            self._recent.put(context_value.Decoded(value, context), erasures=erasures)
            return context
        self._recent.forget(user_id)
        if context_value.damaged(value):
            # So that the next event begins anew, in place of standing behind what nobody can read.
            key = redis_keys.context(user_id)
            with contextlib.suppress(UnavailableError):
                await self._client.call(lambda redis: self._drop.run(redis, [key], [value]))
        return None

    async def apply(self, events: Sequence[Event]) -> Sequence[Event]:
        """Fold events in; those that changed something.

        On one server all together or not at all; a cluster takes each member's apart.
        """
        self._filled()
        members: dict[str, list[int]] = {}
        for number, event in enumerate(events):
            members.setdefault(event.user_id, []).append(number)
        if not members:
            return []
        vocabularies = self._vocabularies()
        calls = [
            self._call(
                vocabularies, {user_id: [events[n] for n in numbers] for user_id, numbers in some}
            )
            for some in self._apart(list(members.items()))
        ]
        told = await self._run(self._apply, calls)
        if None in told:
            raise UnavailableError("The store lost what it had and is filled again; try again.")
        answers = [each for some in told for each in some]
        changed = sorted(
            numbers[place]
            for numbers, places in zip(members.values(), answers, strict=True)
            for place in places
        )
        return [events[number] for number in changed]

    async def fill(self, contexts: Sequence[Context]) -> bool:
        """Take contexts that were folded elsewhere, into a store that never took any to the end.

        False where it did: then nothing is taken. Nobody's context is overwritten, nobody who was
        erased comes back; after an error, fill again.
        """
        if (await self._client.values(redis_keys.LOADED))[0] is not None:
            return False
        first = int(self._clock() * 1e6)  # as in lua/context.lua, "newcomer"
        for chunk in range(0, len(contexts), _TOGETHER):
            several = [
                self._set_new(replace(context, revision=first + context.revision))
                for context in contexts[chunk : chunk + _TOGETHER]
            ]
            await asyncio.gather(*several)
        await self._client.call(lambda redis: redis.set(redis_keys.LOADED, b"1"))
        return True

    async def put_profile(self, *profiles: Profile) -> None:
        """Fold profiles in, in the order given: one call, or in a cluster one for each member."""
        self._filled()
        members: dict[str, list[Profile]] = {}
        for profile in profiles:
            members.setdefault(profile.user_id, []).append(profile)
        calls = [self._profile_call(some) for some in self._apart(list(members.values()))]
        await self._run(self._profile, calls)

    async def erase(self, user_id: str, at: float | None = None) -> bool:
        """Forget a member, the encoded prompts included; whether there was anything to forget."""
        arguments: list[Value] = [
            context_value.user_text(user_id),
            self._ttl(),
            self._erased_s,
            context_value.time_text(self._clock() if at is None else at),
            int(at is None),
            redis_keys.prompt(user_id, ""),
            ERASURES,
            user_id,
        ]
        keys = [*self._keys(user_id), redis_keys.prompts(user_id)]
        self._recent.erase(user_id)
        there = await self._client.call(
            lambda redis: self._erase.run(redis, keys, arguments), judged=True
        )
        self._recent.erase(user_id)
        return bool(there)

    async def _set_new(self, context: Context) -> None:
        keys = self._keys(context.user_id)
        arguments: list[Value] = [context_value.encode(context), self._ttl()]
        await self._client.call(lambda redis: self._load.run(redis, keys, arguments))

    def _filled(self) -> None:
        if self.filling:
            raise UnavailableError("The store is being filled from the data folder; try again.")

    def _apart(self, members: Sequence[T]) -> list[Sequence[T]]:
        """Who goes together in a call: a cluster takes one member at a time, none takes nobody."""
        if self._client.cluster:
            return [[member] for member in members]
        return [members] if members else []

    async def _run(self, script: Script, calls: Sequence[Call]) -> list[Any]:
        """What each of the calls returns."""
        answers: list[Any] = []
        for first in range(0, len(calls), _TOGETHER):
            several = [
                self._client.call(partial(script.run, keys=keys, args=arguments), judged=True)
                for keys, arguments in calls[first : first + _TOGETHER]
            ]
            answers += await asyncio.gather(*several)
        return answers

    def _profile_call(self, members: Sequence[Sequence[Profile]]) -> Call:
        """Keys and arguments of ``lua/profile.lua``."""
        keys: list[str] = []
        arguments: list[Value] = []
        for profile in chain.from_iterable(members):
            user_id = profile.user_id
            keys += [*self._keys(user_id), redis_keys.prompts(user_id)]
            arguments += [
                context_value.user_text(user_id),
                self._ttl(),
                context_value.profile_text(profile),
                context_value.time_text(profile.ts),
                redis_keys.prompt(user_id, ""),
            ]
        return keys, arguments

    def _call(
        self,
        vocabularies: Mapping[str, Mapping[str, int]],
        members: Mapping[str, Sequence[Event]],
    ) -> Call:
        """Keys and arguments of ``lua/apply.lua``."""
        # A cluster has the epoch on one of its servers, out of reach of most members' scripts.
        epoch = "" if self._client.cluster else self.epoch
        keys = [
            redis_keys.context(next(iter(members))) if self._client.cluster else redis_keys.EPOCH
        ]
        arguments: list[Value] = [epoch, self._history, len(vocabularies), *GAP_EDGES, AGES]
        known = tuple(vocabularies.values())
        for user_id, events in members.items():
            keys += self._keys(user_id)
            keys += (redis_keys.prompt(user_id, digest) for digest in vocabularies)
            head = _MEMBER.pack(self._ttl(), len(events))
            arguments.append(head + context_value.user_text(user_id))
            for event in events:
                line, told, mark = context_value.event_line(event)
                head = _EVENT.pack(mark, event.ts, anchor_of(event.ts), told)
                tokens = [event_tokens.packed(event, entities) for entities in known]
                arguments.append(b"".join([head, *tokens, line]))
        return keys, arguments

    def _keys(self, user_id: str) -> list[str]:
        return [redis_keys.context(user_id), redis_keys.erased(user_id)]

    def _ttl(self) -> int:
        return max(1, int(self._kept_s * (1 - JITTER + 2 * JITTER * random.random())))
