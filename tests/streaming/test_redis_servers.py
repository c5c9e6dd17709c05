"""The kinds of Redis that a URL may name, each a real one: TLS, a user, Sentinel, Cluster."""

import asyncio
import datetime as dt
import ipaddress
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from kafka_clients import until
from redis.asyncio import Redis
from stores import redis_store

from api.fake import Logbook
from deploy.services import ROOT, RedisServer, free_port, which
from genpage.errors import UnavailableError
from genpage.event import Event
from genpage.profile import Profile
from streaming.ports import CachedHistory
from streaming.recent import Recent
from streaming.redis_client import Commands, RedisClient
from streaming.redis_context import ERASURES
from streaming.redis_directory import RedisDirectory
from streaming.redis_epoch import RedisEpoch
from streaming.redis_members import RedisMembers
from streaming.redis_prompts import RedisPromptCache
from streaming.redis_url import Waiting

# These servers are started beside others: nobody waits for them in the tests.
PATIENT = Waiting(connect_s=5.0, command_s=5.0)
VOCABULARIES = {"v1": {"film": 600}}


async def everything(client: RedisClient) -> None:
    """All that the stores do, for more members than a cluster takes at once."""
    store = redis_store(client, 16, lambda: VOCABULARIES)
    cache = RedisPromptCache(client)
    members = RedisMembers(client, store, Recent())
    events = [Event(f"e{n}", f"user {n % 70}", "film", "play", float(n)) for n in range(280)]
    assert list(await store.apply(events)) == events
    assert list(await store.apply(events)) == []
    tokens = np.array([1, 2], np.int32)
    for vocabulary in ("v0", "v1"):
        context = await store.get("user 1")
        assert context is not None
        encoded = CachedHistory(context.version, 0.0, tokens, tokens, 0, 16)
        await cache.put("user 1", vocabulary, encoded)
    more = [Event("more", "user 1", "film", "play", 300.0)]
    assert list(await store.apply(more)) == more
    await store.put_profile(Profile("user 1", country="NZ", ts=3.0))
    users = [f"user {n}" for n in range(70)]
    countries = [Profile(user, country="FR", ts=ts) for ts in (1.0, 2.0) for user in users]
    await store.put_profile(*countries)
    contexts = [await store.get(user) for user in users]
    held = [context and context.profile and context.profile.ts for context in contexts]
    assert held == [3.0 if user == "user 1" else 2.0 for user in users]
    member = await members.read("user 1", "v1")
    assert member.current
    assert member.context is not None
    assert member.encoded is not None
    assert len(member.context.events) == 5
    assert member.encoded.context_version == member.context.version
    assert len(member.encoded.history) == len(tokens) + 4
    assert len(await RedisDirectory(client, store).busiest(100)) == 70
    async with client.channel() as channel:
        await channel.subscribe(ERASURES)
        assert await store.erase("user 1")
        heard = None
        while heard is None:
            heard = await channel.get_message(ignore_subscribe_messages=True, timeout=1.0)
        assert heard["data"] == b"user 1"
    assert (await members.read("user 1", "v1")).context is None
    assert await cache.get("user 1", "v1") is None


@asynccontextmanager
async def client_of(url: str) -> AsyncIterator[RedisClient]:
    """A client, once the server can be asked."""
    async with RedisClient(url, waiting=PATIENT) as client:
        await until(partial(answers, client))
        yield client


async def answers(client: RedisClient) -> bool:
    """Whether the server can be asked."""
    try:
        await client.values("genpage:nothing")
    except UnavailableError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate that signs itself, and its key (PEM files)."""

    certificate: Path
    key: Path


@pytest.fixture
def certificate(tmp_path: Path) -> Certificate:
    """For 127.0.0.1, valid this hour."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "genpage-test")])
    now = dt.datetime.now(dt.UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(address, critical=False)
        .sign(key, hashes.SHA256())
    )
    files = Certificate(tmp_path / "redis.crt", tmp_path / "redis.key")
    files.certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    files.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return files


async def test_tls(tmp_path: Path, certificate: Certificate) -> None:
    """Over TLS with the server's certificate checked; one that nobody vouches for is refused."""
    port = free_port()
    options = (
        *("--tls-port", str(port), "--tls-auth-clients", "no"),
        *("--tls-cert-file", str(certificate.certificate)),
        *("--tls-key-file", str(certificate.key)),
    )
    with RedisServer(tmp_path / "redis", options=options):
        url = f"rediss://127.0.0.1:{port}/0"
        async with client_of(f"{url}?ssl_ca_certs={certificate.certificate}") as client:
            await everything(client)
        async with RedisClient(url, waiting=PATIENT) as client:
            with pytest.raises(UnavailableError):
                await client.values("nothing")


async def test_a_user_of_its_own(tmp_path: Path) -> None:
    """With the rights that docs/operations.md names and no more; a wrong password is away."""
    named = (
        "~genpage:* &genpage:* +@read +@write +@scripting +@connection +@pubsub +time "
        "-@dangerous +info"
    )
    assert f"`{named}`" in (ROOT / "docs" / "operations.md").read_text("utf-8").replace("\n", " ")
    rights = ["on", ">p@ss", *named.split()]
    options = ("--user", "default", "off", "--user", "genpage", *rights)
    with RedisServer(tmp_path / "redis", options=options) as server:
        place = f"127.0.0.1:{server.port}/0"
        async with client_of(f"redis://genpage:p%40ss@{place}") as client:
            await everything(client)
            for refused in (("SET", "other", "1"), ("FLUSHALL",)):
                with pytest.raises(UnavailableError):
                    await client.call(partial(_execute, command=refused))
            assert client.available
        async with RedisClient(f"redis://genpage:wrong@{place}", waiting=PATIENT) as client:
            with pytest.raises(UnavailableError):
                await client.values("genpage:x")


async def test_a_user_that_may_not_ask_who_serves(tmp_path: Path) -> None:
    """Without ``+info`` the store is used, and what that costs is said once."""
    rights = ("~genpage:*", "+@read", "+@write", "+@scripting", "+@connection", "-@dangerous")
    options = ("--user", "default", "off", "--user", "genpage", "on", ">p@ss", *rights)
    lines = Logbook()
    with RedisServer(tmp_path / "redis", options=options) as server:
        async with client_of(f"redis://genpage:p%40ss@127.0.0.1:{server.port}/0") as client:
            epoch = RedisEpoch(client, redis_store(client), lines.logger())
            name = await epoch.begin()
            assert await epoch.begin() == name
    assert [line["event"] for line in lines.lines] == ["Redis does not say which server it is"]


async def _execute(redis: Commands, command: Sequence[str]) -> object:
    return await redis.execute_command(*command)


class Sentinel(RedisServer):
    """A Sentinel that watches one Redis."""

    name = "sentinel"

    def __init__(self, folder: Path, watched: Sequence[RedisServer]) -> None:
        super().__init__(folder)
        self._settings = folder / "sentinel.conf"
        self._settings.write_text(
            f"port {self.port}\nbind 127.0.0.1\ndir {folder}\n"
            f"sentinel monitor genpage 127.0.0.1 {watched[0].port} 1\n"
            "sentinel down-after-milliseconds genpage 500\n"
            "sentinel failover-timeout genpage 2000\n"
        )

    def _command(self) -> Sequence[str | Path]:
        server = which("redis-server", "apt-get install -y redis-server")
        return (server, self._settings, "--sentinel")


@dataclass(frozen=True, slots=True)
class Watched:
    """A Redis and its replica, watched by a Sentinel, with connections to the latter two."""

    master: RedisServer
    replica: Any  # redis-py's own type of a connection is none
    sentinel: Any
    url: str

    async def known(self) -> bool:
        """Whether the Sentinel has found the replica."""
        return bool(await self.sentinel.execute_command("SENTINEL", "REPLICAS", "genpage"))


@pytest.fixture
async def watched(tmp_path: Path) -> AsyncIterator[Watched]:
    """All three, started."""
    async with AsyncExitStack() as stack:
        first = stack.enter_context(RedisServer(tmp_path / "first"))
        of_first = ("--replicaof", "127.0.0.1", str(first.port))
        second = stack.enter_context(RedisServer(tmp_path / "second", options=of_first))
        (tmp_path / "sentinel").mkdir()
        sentinel = stack.enter_context(Sentinel(tmp_path / "sentinel", [first]))
        replica = await stack.enter_async_context(Redis(port=second.port, protocol=2))
        asked = await stack.enter_async_context(Redis(port=sentinel.port, protocol=2))
        url = f"redis+sentinel://127.0.0.1:{sentinel.port}/genpage/0"
        yield Watched(first, replica, asked, url)


async def test_the_master_of_a_sentinel(watched: Watched) -> None:
    """By the name that Sentinel knows; after a failover the new master is found by itself."""
    async with client_of(watched.url) as client:
        await everything(client)
        await until(watched.known)
        store = redis_store(client)
        await store.apply([Event("kept", "ada", "film", "play", 1.0)])

        async def copied() -> bool:
            return bool(await watched.replica.exists("genpage:{u:ada}:ctx"))

        async def applied() -> bool:
            try:
                return bool(await store.apply([Event("after", "ada", "film", "play", 2.0)]))
            except UnavailableError:
                return False

        await until(copied)
        watched.master.kill()
        await until(applied)
        context = await store.get("ada")
        assert context is not None
        assert [event.event_id for event in context.events] == ["kept", "after"]


class Fed:
    """What feeds a store, and is told to do it again."""

    every_partition = (("genpage.events", 0),)
    rewound = 0

    def filled(self, epoch: str) -> Sequence[tuple[str, int]]:
        """Nothing."""
        del epoch
        return ()

    def rewind(self) -> None:
        """Count it."""
        self.rewound += 1


async def test_what_is_lost_before_the_first_look_is_fed_again(client: RedisClient) -> None:
    """Once; else the feed would wait for ever for a store that refuses the epoch that it began."""
    store, fed = redis_store(client), Fed()
    epoch = RedisEpoch(client, store, Logbook().logger())
    epoch.feed = fed
    await epoch.begin()
    await client.call(lambda redis: redis.flushall())
    with pytest.raises(UnavailableError):
        await store.apply([Event("e", "ada", "film", "play", 1.0)])
    for _ in range(3):
        await epoch._look()
    assert fed.rewound == 1


async def test_a_failover_that_loses_writes_is_another_epoch(watched: Watched) -> None:
    """The replica that takes over has the epoch's name, and not the last event: it is fed again."""
    replica = watched.replica
    async with client_of(watched.url) as client:
        store, fed = redis_store(client), Fed()
        epoch = RedisEpoch(client, store, Logbook().logger())
        epoch.feed = fed
        name = await epoch.begin()

        async def copied() -> bool:
            return bool(await replica.get("genpage:epoch") == name.encode())

        await until(copied)
        await until(watched.known)
        watching = asyncio.create_task(epoch.watch())
        # What is written from now on does not reach the replica.
        await replica.execute_command("REPLICAOF", "127.0.0.1", "1")
        await store.apply([Event("lost", "ada", "film", "play", 1.0)])
        assert fed.rewound < 1
        watched.master.kill()
        # A replica of somebody else would not be chosen.
        await replica.execute_command("REPLICAOF", "127.0.0.1", str(watched.master.port))
        await until(lambda: fed.rewound >= 1)
        assert await epoch.begin() != name
        assert await store.get("ada") is None
        assert fed.rewound == 1
        watching.cancel()


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[list[RedisServer]]:
    """Three servers of one cluster, not yet introduced to each other."""
    with ExitStack() as stack:
        yield [
            stack.enter_context(
                RedisServer(
                    tmp_path / f"node{n}",
                    options=(
                        *("--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf"),
                        *("--cluster-port", str(free_port())),
                    ),
                )
            )
            for n in range(3)
        ]


async def test_a_cluster_of_three(nodes: list[RedisServer]) -> None:
    """Everything over three servers, none of which takes a call over two slots."""
    async with AsyncExitStack() as stack:
        links: list[Any] = [
            await stack.enter_async_context(Redis(port=node.port, protocol=2)) for node in nodes
        ]
        bounds = [0, 5_461, 10_923, 16_384]
        for number, link in enumerate(links):
            await link.execute_command(
                "CLUSTER ADDSLOTSRANGE", bounds[number], bounds[number + 1] - 1
            )
            bus = (await link.execute_command("CONFIG", "GET", "cluster-port"))[1]
            await links[0].execute_command(
                "CLUSTER", "MEET", "127.0.0.1", nodes[number].port, bus.decode()
            )

        async def whole() -> bool:
            states = [await link.execute_command("CLUSTER INFO") for link in links]
            return all(
                state["cluster_state"] == "ok" and state["cluster_known_nodes"] == "3"
                for state in states
            )

        await until(whole)
        hosts = ",".join(f"127.0.0.1:{node.port}" for node in nodes[:2])
        client = await stack.enter_async_context(client_of(f"redis+cluster://{hosts}"))
        assert client.cluster
        await everything(client)
        many = await asyncio.gather(*(client.values("genpage:nothing") for _ in range(600)))
        assert many == [[None]] * 600
        assert client.available
        epoch = RedisEpoch(client, redis_store(client), Logbook().logger())
        name = await epoch.begin()
        assert await epoch.begin() == name
        assert len(name.partition(".")[2].split(",")) == len(nodes)
        assert all([await link.dbsize() for link in links])
