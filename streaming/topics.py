"""The topics of the event log, with the policies that they are made with. Pure."""

from dataclasses import dataclass
from typing import Final, Literal

Policy = Literal["by time", "compacted"]
DAY_MS: Final = 86_400_000


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as it is made where it is missing. ``days`` is how long it keeps, by time."""

    name: str
    policy: Policy
    partitions: int = 1
    days: int = 0
    most_bytes: int | None = None

    @property
    def dead_letters(self) -> "Topic":
        """Where its poison goes, with room for values that are poison for their size."""
        return Topic(f"{self.name}.dlq", "by time", days=14, most_bytes=DEAD_LETTER_BYTES)

    @property
    def settings(self) -> dict[str, str]:
        """The topic's configuration, as the broker names it."""
        if self.policy == "compacted":
            settings = {"cleanup.policy": "compact"}
        else:
            settings = {"cleanup.policy": "delete", "retention.ms": str(self.days * DAY_MS)}
        if self.most_bytes is not None:
            settings["max.message.bytes"] = str(self.most_bytes)
        return settings


DEAD_LETTER_BYTES: Final = 16 * 1024 * 1024
EVENTS: Final = Topic("genpage.events", "by time", partitions=8, days=30)
PROFILES: Final = Topic("genpage.profiles", "compacted", partitions=8)
CATALOG: Final = Topic("genpage.catalog", "compacted")
CHECKPOINTS: Final = Topic("genpage.checkpoints", "compacted")
STATUS: Final = Topic("genpage.checkpoints.status", "by time", days=30)
PAGES: Final = Topic("genpage.pages", "by time", partitions=8, days=30)
# Those that members and producers write to, so that something poisonous can stand on them.
READ: Final = (EVENTS, PROFILES, CATALOG, CHECKPOINTS)
TOPICS: Final = (*READ, STATUS, PAGES, *(topic.dead_letters for topic in READ))
