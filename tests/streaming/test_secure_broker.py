"""The log on a broker that asks who is there: TLS, names and passwords, certificates."""

import asyncio
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import structlog
from certificates import Authority, Certified
from event_logs import log_of
from kafka_clients import until
from structlog.testing import LogCapture

from deploy.services import KafkaBroker, free_port
from genpage.cli.serve import Serve
from genpage.errors import UnavailableError, UsageError
from genpage.event import Event
from streaming.broker import Broker
from streaming.broker_security import Security
from streaming.event_log import EventLog
from streaming.memory import MemoryContextStore

PASSWORD = "pass-6f1c"
MODULES = "org.apache.kafka.common.security"


@dataclass(frozen=True, slots=True)
class Guarded:
    """A broker with a door for each protocol, and what opens them."""

    doors: dict[str, int]
    ca: Path
    mine: Certified
    stranger: Path

    def security(self, protocol: str, mechanism: str = "SCRAM-SHA-512") -> Security:
        """What opens a door."""
        sasl, tls = protocol.startswith("sasl"), protocol.endswith("ssl")
        return Security(
            protocol,  # type: ignore[arg-type]
            mechanism,  # type: ignore[arg-type]
            "ada" if sasl else None,
            PASSWORD if sasl else None,
            self.ca if tls else None,
            self.mine.certificate if protocol == "ssl" else None,
            self.mine.key if protocol == "ssl" else None,
        )

    def broker(self, security: Security) -> Broker:
        """The broker behind the door for that."""
        address = f"127.0.0.1:{self.doors[security.protocol.upper()]}"
        return Broker(address, f"group-{uuid.uuid4().hex}", security=security)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """One broker for all of these tests."""
    folder = tmp_path_factory.mktemp("guarded")
    authority = Authority(folder)
    server, mine = authority.sign("server"), authority.sign("genpage")
    doors = {door: free_port() for door in ("SSL", "SASL_PLAINTEXT", "SASL_SSL")}
    settings = {
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(server.both),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(authority.ca),
        "listener.name.ssl.ssl.client.auth": "required",
        "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
    }
    for door in ("sasl_plaintext", "sasl_ssl"):
        settings[f"listener.name.{door}.plain.sasl.jaas.config"] = (
            f'{MODULES}.plain.PlainLoginModule required user_ada="{PASSWORD}";'
        )
        for scram in ("scram-sha-256", "scram-sha-512"):
            settings[f"listener.name.{door}.{scram}.sasl.jaas.config"] = (
                f"{MODULES}.scram.ScramLoginModule required;"
            )
    users = [f"{m}=[name=ada,password={PASSWORD}]" for m in ("SCRAM-SHA-256", "SCRAM-SHA-512")]
    stranger = Authority(folder, "stranger").ca
    with KafkaBroker(folder / "kafka", doors=doors, settings=settings, users=users):
        yield Guarded(doors, authority.ca, mine, stranger)


def heard(broker: Broker, store: MemoryContextStore, said: LogCapture) -> EventLog:
    """An event log that feeds the store; what it says is kept."""
    logger = structlog.wrap_logger(
        structlog.ReturnLogger(),
        processors=[said],
        wrapper_class=structlog.make_filtering_bound_logger(0),
    )
    return log_of(broker, store, log=logger)


@pytest.mark.parametrize(
    ("protocol", "mechanism"),
    [
        ("ssl", "PLAIN"),
        ("sasl_plaintext", "PLAIN"),
        ("sasl_ssl", "SCRAM-SHA-256"),
        ("sasl_ssl", "SCRAM-SHA-512"),
    ],
)
async def test_events_go_through_each_door(guarded: Guarded, protocol: str, mechanism: str) -> None:
    """Topics are made, a list is published and applied: every client of ours knows the way."""
    user, store, said = uuid.uuid4().hex, MemoryContextStore(), LogCapture()
    broker = guarded.broker(guarded.security(protocol, mechanism))
    async with heard(broker, store, said) as log:

        async def published() -> bool:
            try:
                await log.sink.publish([Event(f"e{n}", user, "e1", "play", 1.0) for n in (1, 2)])
            except UnavailableError:
                return False
            return True

        await until(published)

        async def applied() -> bool:
            context = await store.get(user)
            return context is not None and len(context.events) == 2

        await until(applied)
        assert log.state == "ok"
    assert PASSWORD not in repr([said.entries, broker, broker.security])


@pytest.mark.parametrize("wrong", ["password", "authority", "no-certificate"])
async def test_who_may_not_in_is_away_and_says_why(guarded: Guarded, wrong: str) -> None:
    """No trace of the password; with the right one it would heal by itself, so it keeps trying."""
    security = {
        "password": replace(guarded.security("sasl_ssl"), password="wrong-77aa"),
        "authority": replace(guarded.security("sasl_ssl"), ca=guarded.stranger),
        "no-certificate": replace(guarded.security("ssl"), certificate=None, key=None),
    }[wrong]
    said = LogCapture()
    async with heard(guarded.broker(security), MemoryContextStore(), said) as log:

        async def told() -> bool:
            await asyncio.sleep(0)
            return any(entry["event"] == "the event log is away" for entry in said.entries)

        await until(told)
        assert log.state == "away"
    assert "wrong-77aa" not in repr(said.entries)


def test_settings_that_do_not_go_together_are_said_by_their_flags(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is loaded; the password comes by environment or file, and shows nowhere."""
    monkeypatch.setenv("GENPAGE_KAFKA_PASSWORD", PASSWORD)
    serve = Serve(kafka="a:9092", kafka_security="sasl_plaintext", kafka_username="ada")
    broker = serve.settings().kafka
    assert broker is not None
    assert (broker.security.password, broker.security.mechanism) == (PASSWORD, "SCRAM-SHA-512")
    assert PASSWORD not in repr([serve, broker])
    monkeypatch.delenv("GENPAGE_KAFKA_PASSWORD")
    (tmp_path / "password").write_text("from-file\n")
    (tmp_path / "ca.pem").write_text("no certificate")
    wrong: list[tuple[dict[str, object], str]] = [
        ({"kafka_security": "sasl_ssl", "kafka_username": "ada"}, "--kafka-password-file"),
        ({"kafka_username": "ada"}, "--kafka-security"),
        ({"kafka_ca": tmp_path / "ca.pem"}, "--kafka-security ssl"),
        ({"kafka_security": "ssl", "kafka_ca": tmp_path / "ca.pem"}, "--kafka-ca"),
        ({"kafka_security": "ssl", "kafka_ca": tmp_path / "none.pem"}, "--kafka-ca"),
        ({"kafka_security": "ssl", "kafka_key": tmp_path / "key"}, "--kafka-certificate"),
        ({"kafka_password_file": tmp_path / "none"}, "cannot read the password"),
    ]
    for settings, flag in wrong:
        with pytest.raises(UsageError, match=flag):
            Serve.model_validate({"kafka": "a:9092", **settings}).settings()
    by_file = {"kafka_security": "sasl_plaintext", "kafka_username": "ada"}
    given = Serve.model_validate(
        {"kafka": "a:9092", **by_file, "kafka_password_file": tmp_path / "password"}
    ).settings()
    assert given.kafka is not None
    assert given.kafka.security.password == "from-file"
