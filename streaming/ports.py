"""The ports between the server and whatever keeps members' data.

Every method may raise `genpage.errors.UnavailableError` while its store is away; the embedded twins
never do. Values handed out are immutable and stay valid for ever; what is stored may have moved on.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from genpage.context import Context
from genpage.event import Event
from genpage.profile import Profile
from tokenizer.vocabulary import IntArray


class ContextStore(Protocol):
    """Members' contexts. Effectively once: an event id changes a context at most once."""

    async def get(self, user_id: str) -> Context | None:
        """What is held of a member, None for one nobody knows."""
        ...

    async def apply(self, events: Sequence[Event]) -> Sequence[Event]:
        """Fold events in with `genpage.context.apply_event`.

        Returns those that changed something; the others were known already, too old to keep, or
        from before the member was erased. On an error any member's may have been applied: apply
        them all again.
        """
        ...

    async def put_profile(self, *profiles: Profile) -> None:
        """Fold profiles in with `genpage.context.apply_profile`, in the order given.

        On an error any may have been applied: put them all again.
        """
        ...

    async def erase(self, user_id: str, at: float | None = None) -> bool:
        """Forget a member; whether there was anything to forget.

        All that is held goes, and whatever is from before now is not taken again, so that replayed
        events bring nobody back. With ``at`` (Unix seconds, for an erasure that is itself
        replayed) what is newer stays.
        """
        ...


class Directory(Protocol):
    """Lists members; a store may offer it beside `ContextStore`, for the console alone."""

    async def busiest(self, limit: int) -> Sequence[Context]:
        """At most ``limit`` members, those with the most events first."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class CachedHistory:
    """The part of a member's prompt that outlives a request: summary and history tokens.

    Valid for exactly this ``context_version`` and ``anchor`` (the UTC midnight that its times are
    told against). Both arrays are int32, without their opening tokens. An event that comes last is
    appended to it while the member's events are at most ``last`` in number and none from
    ``oldest`` on was let go, both counted from the member's first.
    """

    context_version: str
    anchor: float
    summary: IntArray
    history: IntArray
    oldest: int = 0
    last: int = 0


# Which vocabularies prompts are encoded with at present: by digest, each title's token.
Vocabularies = Callable[[], Mapping[str, Mapping[str, int]]]


def no_vocabularies() -> Mapping[str, Mapping[str, int]]:
    """None: encoded prompts are not kept up, but encoded anew after each event."""
    return {}


class PromptCache(Protocol):
    """Encoded histories by member and vocabulary digest. May lose anything at any time.

    A context store that is given the cache's `Vocabularies` keeps it up as events come.
    """

    async def get(self, user_id: str, vocabulary: str) -> CachedHistory | None:
        """What was encoded last, valid or not: the caller compares version and anchor."""
        ...

    async def put(self, user_id: str, vocabulary: str, encoded: CachedHistory) -> None:
        """Remember it in place of what was held."""
        ...

    async def erase(self, user_id: str) -> None:
        """Forget a member, for every vocabulary."""
        ...


@dataclass(frozen=True, slots=True)
class Member:
    """What a page needs of a member. Not ``current``: the store is away, and this is from before.

    ``encoded`` may be out of date, as in `PromptCache.get`.
    """

    context: Context | None
    encoded: CachedHistory | None = None
    current: bool = True


class Members(Protocol):
    """Reads context and encoded history at once: where they are remote, in one round trip."""

    async def read(self, user_id: str, vocabulary: str) -> Member:
        """What is known of a member; never raises `UnavailableError`."""
        ...


class EventSink(Protocol):
    """Where accepted events go: straight to the store, or to a log that feeds it."""

    async def publish(self, events: Sequence[Event]) -> None:
        """Return once the events are safe; all of them or, on an error, none."""
        ...

    async def erase(self, user_id: str) -> None:
        """Tell all who read the log that a member is to be forgotten."""
        ...
