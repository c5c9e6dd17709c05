"""Where the Kafka cluster is, and how to speak to it."""

from dataclasses import dataclass, field
from typing import Any

from genpage.errors import UsageError
from streaming.broker_security import Security

# Longer than a session, since a broker holds the answer to a join back for as long.
REQUEST_S = 20.0
SESSION_S = 10.0
# By its heartbeats a replica learns that another came or left: until then nobody reads the
# partitions of the one that left.
HEARTBEAT_S = 0.5


@dataclass(frozen=True, slots=True)
class Broker:
    """One or more ``HOST:PORT`` by commas, and the consumer group that replicas share."""

    bootstrap: str
    group: str = "genpage"
    client: str = field(default="genpage", repr=False)
    security: Security = field(default_factory=Security)
    # Without a sign of life for as long, a replica's partitions go to the others.
    session_s: float = SESSION_S

    def __post_init__(self) -> None:
        """Refuse what is no address, naming it."""
        for address in self.addresses:
            host, colon, port = address.rpartition(":")
            if not host or not colon or not port.isdecimal() or not 0 < int(port) < 1 << 16:
                raise UsageError(f"--kafka: {address!r} is no HOST:PORT")

    @property
    def addresses(self) -> list[str]:
        """The addresses, each ``HOST:PORT``."""
        return [address.strip() for address in self.bootstrap.split(",")]

    def options(self, *, request_s: float = REQUEST_S) -> dict[str, Any]:
        """Keyword arguments that every client of aiokafka takes."""
        return {
            "bootstrap_servers": self.addresses,
            "client_id": self.client,
            "request_timeout_ms": round(request_s * 1000),
            "retry_backoff_ms": 200,
            **self.security.options(),
        }

    def membership(self) -> dict[str, Any]:
        """Keyword arguments of a consumer that shares the partitions with its group."""
        return {
            "group_id": self.group,
            "session_timeout_ms": round(self.session_s * 1000),
            "heartbeat_interval_ms": round(min(HEARTBEAT_S, self.session_s / 4) * 1000),
        }
