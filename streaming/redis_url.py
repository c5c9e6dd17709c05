"""From a URL to a Redis client: one server, a Sentinel's master or a cluster.

::

    redis://[user:password@]host:port/db         rediss:// over TLS, unix:///path?db=0
    redis+sentinel://host:port,host:port/service/db
    redis+cluster://host:port,host:port          rediss+... over TLS

What redis-py takes behind a ``?`` (``ssl_ca_certs`` and the like) may stand there for one server.
"""

from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from redis.asyncio import BlockingConnectionPool, Redis, RedisCluster, Sentinel
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import SentinelConnectionPool
from redis.backoff import NoBackoff

from genpage.errors import UsageError

_PORT = 6379
_SENTINEL_PORT = 26379
# Connections beside those of the calls: the heartbeat's, a channel's, those to learn a cluster by.
_BESIDE = 4
_ONE = {"redis", "rediss", "unix"}


@dataclass(frozen=True, slots=True)
class Waiting:
    """How long to wait for what, in seconds, and over how many connections: a call's is its own."""

    connect_s: float = 0.5
    command_s: float = 0.25
    connections: int = 32


def connect(url: str, waiting: Waiting) -> Redis | RedisCluster:
    """A client of the URL; nothing is connected yet. `UsageError` for a URL that says nothing."""
    try:
        return _connect(url, urlsplit(url), waiting)
    except ValueError as error:
        raise UsageError(
            f"--redis-url: {error}; give one such as redis://127.0.0.1:6379/0"
        ) from error


async def close(redis: Redis | RedisCluster) -> None:
    """Close all connections: those to the Sentinels too, which redis-py leaves open."""
    await redis.aclose()
    if isinstance(redis, Redis) and isinstance(redis.connection_pool, SentinelConnectionPool):
        for sentinel in redis.connection_pool.sentinel_manager.sentinels:
            await sentinel.aclose()


def check(url: str) -> None:
    """`UsageError` for a URL that `connect` would refuse."""
    connect(url, Waiting())


def _connect(url: str, split: SplitResult, waiting: Waiting) -> Redis | RedisCluster:
    kind, _, how = split.scheme.partition("+")
    # No retries: the breaker decides when to try again. RESP2: nothing is pushed into a reply.
    settings: dict[str, Any] = {
        "socket_connect_timeout": waiting.connect_s,
        "socket_timeout": waiting.command_s,
        "protocol": 2,
        "retry": Retry(NoBackoff(), 0),
    }
    if split.scheme in _ONE:
        pool = BlockingConnectionPool.from_url(
            url,
            timeout=waiting.command_s,
            max_connections=waiting.connections + _BESIDE,
            **settings,
        )
        return Redis.from_pool(pool)
    if kind not in {"redis", "rediss"} or how not in {"sentinel", "cluster"}:
        raise ValueError(
            f"{split.scheme or 'no'} scheme is none of redis, rediss, unix, "
            "redis+sentinel and redis+cluster"
        )
    settings |= {
        "username": _text(split.username),
        "password": _text(split.password),
        "ssl": kind == "rediss",
        "max_connections": waiting.connections + _BESIDE,
    }
    if how == "cluster":
        nodes = [ClusterNode(host, port) for host, port in _hosts(split, _PORT)]
        return RedisCluster(startup_nodes=nodes, **settings)
    service, _, db = split.path.strip("/").partition("/")
    sentinel = Sentinel(_hosts(split, _SENTINEL_PORT), **settings)  # type: ignore[no-untyped-call]  # it ships none
    master: Redis = sentinel.master_for(service or "mymaster", db=int(db or 0))
    return master


def _hosts(split: SplitResult, port: int) -> list[tuple[str, int]]:
    """The hosts of a URL, by commas; IPv6 addresses in brackets."""
    listed = split.netloc.rpartition("@")[2].split(",")
    parsed = [urlsplit(f"//{one}") for one in listed]
    hosts = [(one.hostname, one.port or port) for one in parsed]
    if not all(host for host, _ in hosts):
        raise ValueError("a host is missing")
    return [(host, number) for host, number in hosts if host]


def _text(quoted: str | None) -> str | None:
    return None if quoted is None else unquote(quoted)
