"""``genpage serve``."""

import gc
import os
import socket
from contextlib import ExitStack
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field
from rich.text import Text

from genpage.cli.command import Switch
from genpage.cli.kafka import KafkaCommand
from genpage.errors import UsageError
from genpage.exploration import Exploration

if TYPE_CHECKING:
    from api.auth import Keys
    from api.compose import Settings
    from streaming.broker import Broker


class Serve(KafkaCommand):
    """Serve pages over HTTP, and the homepage to a browser.

    Keys are best given by environment or file: other users of a machine can read a command line.
    """

    bundle: Path | None = Field(default=None, description="the bundle to serve")
    data: Path | None = Field(default=None, description="data that fills an empty context store")
    state_dir: Path | None = Field(
        default=None, description="remembers the active bundle, which then goes before --bundle"
    )
    rules: Path | None = Field(default=None, description="rules in place of the bundle's")
    host: str = Field(default="127.0.0.1", min_length=1, description="address to listen on")
    port: int = Field(default=8700, ge=0, le=65535, description="port to listen on; 0: any")
    redis_url: str | None = Field(
        default=None,
        description="where contexts and prompts are: redis://, rediss://, unix://, "
        "redis+sentinel://, redis+cluster://",
        repr=False,
    )
    kafka_group: str = Field(
        default="genpage", min_length=1, description="consumer group that the replicas share"
    )
    kafka_session: float = Field(
        default=10.0,
        ge=1,
        le=300,
        description="seconds without a sign of life after which a "
        "replica's partitions go to the others; the broker has bounds of its own",
    )
    otlp_endpoint: str | None = Field(
        default=None,
        description="collector that traces go to, such as http://127.0.0.1:4318; "
        "OTEL_EXPORTER_OTLP_ENDPOINT holds too",
        repr=False,
    )
    device: Literal["cpu", "cuda"] = Field(
        default="cpu",
        description="where the trunk runs; cuda needs a bundle of fp16 or bf16, and never falls "
        "back to the CPU",
    )
    threads: int = Field(default=0, ge=0, le=1024, description="of the model; 0: one a core")
    pin: Switch = Field(
        default="off",
        description="keep the model on the first --threads cores, all else on the others",
    )
    spinning: Switch = Field(
        default="on",
        description="the model's threads poll while a pass runs; off beside other busy processes",
    )
    max_batch: int = Field(default=8, ge=1, le=1024, description="pages decoded at once")
    queue: int = Field(default=64, ge=0, le=100_000, description="pages waiting behind those")
    prefix_cache: Switch = Field(default="on", description="keep members' prompts warm")
    warm_members: int = Field(
        default=64, ge=0, le=4096, description="members whose prompts are kept warm at most"
    )
    kv_memory: int = Field(
        default=1024, ge=1, le=1 << 20, description="MiB of KV, of pages and of warm prompts"
    )
    speculation: Switch = Field(
        default="on",
        description="guess tokens and verify them in the pass that they save, where that pays; "
        "pages are the same",
    )
    autoregressive: int = Field(
        default=4, ge=1, le=100, description="entities of a row decoded one by one before the fill"
    )
    explore: float = Field(
        default=0.0,
        ge=0,
        le=0.2,
        description="share of a page's choices that are drawn, within the rules, instead of "
        "decided: what pages are judged from later; genpage.pages says how likely each was",
    )
    grace: float = Field(
        default=10.0, ge=0, le=3600, description="seconds that pages have to end after SIGTERM"
    )
    console: Switch | None = Field(
        default=None, description="lists members to the demo page; on by default on loopback"
    )
    api_keys: str = Field(default="", description="keys that may call, by commas", repr=False)
    api_keys_file: Path | None = Field(default=None, description="more keys, one a line")
    replica: str | None = Field(
        default=None, min_length=1, max_length=128, description="its name in statuses; host:port"
    )
    model_name: str = Field(
        default="genpage", min_length=1, description="name that its bundles are announced under"
    )
    checkpoint_sources: str = Field(
        default="", description="beginnings of URIs that bundles may come from, beside file:"
    )
    swap_stagger: float = Field(
        default=5.0, ge=0, le=3600, description="seconds that replicas spread a swap over"
    )
    admin_keys: str = Field(default="", description="keys for /admin, by commas", repr=False)
    admin_keys_file: Path | None = Field(default=None, description="more of them, one a line")
    admin_port: int | None = Field(
        default=None, ge=1, le=65535, description="port of its own for /admin"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="of the JSON lines on stderr"
    )

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT; whatever is wrong with the settings is said before."""
        from api.compose import compose
        from api.last_resort import LAST_S, end_within
        from api.logs import configure
        from api.uvicorn_server import HttpServer
        from rollout.holding import state_folder
        from runtime.cores import stay

        settings = self.settings()
        with ExitStack() as held:
            ports = [self.port] if self.admin_port is None else [self.port, self.admin_port]
            listeners = [held.enter_context(listening_socket(self.host, port)) for port in ports]
            held.enter_context(state_folder(settings.state_dir))
            log = configure(self.log_level)
            server = compose(settings, log)
            # What was loaded stays: the garbage collector need not walk over it time and again.
            gc.collect()
            gc.freeze()
            # Of this thread, and of what it starts: the engine has its own already.
            stay(settings.cores.loop)
            HttpServer(
                server,
                when_listening=self._announce,
                when_draining=partial(end_within, self.grace + LAST_S, log),
            ).run(listeners)

    def settings(self) -> "Settings":
        """The settings of the composition root; `UsageError` for a combination that is unsafe."""
        from api.admin_gate import AdminAccess
        from api.compose import Settings
        from api.server import Options
        from api.tracing import endpoint_of
        from runtime.device import DEVICES
        from runtime.limits import Limits
        from streaming.redis_url import check

        keys = self._keys()
        local = is_loopback(self.host)
        if not local and not keys.on:
            raise UsageError(
                f"serving on {self.host} needs keys: set GENPAGE_API_KEYS or --api-keys-file, "
                "or serve on 127.0.0.1"
            )
        if not local and self.console == "on":
            raise UsageError("--console lists members, so it works on loopback only")
        if self.redis_url is not None:
            check(self.redis_url)
        return Settings(
            bundle=self.bundle,
            data=self.data,
            state_dir=self.state_dir,
            rules=self.rules,
            device=DEVICES[self.device],
            threads=self.threads,
            pin=self.pin == "on",
            spinning=self.spinning == "on",
            limits=Limits(
                batch=self.max_batch,
                queue=self.queue,
                prefix_cache=self.prefix_cache == "on",
                warm=self.warm_members,
                kv_bytes=self.kv_memory << 20,
                speculation=self.speculation == "on",
            ),
            options=Options(
                keys=keys,
                autoregressive=self.autoregressive,
                exploration=Exploration(self.explore),
                grace_s=self.grace,
                console=local and self.console != "off",
                model_name=self.model_name,
                admin=AdminAccess(self._admin_keys(), local, self.admin_port),
            ),
            replica=self.replica or f"{socket.gethostname()}:{self.port or os.getpid()}",
            checkpoint_sources=tuple(
                filter(None, map(str.strip, self.checkpoint_sources.split(",")))
            ),
            swap_stagger_s=self.swap_stagger,
            redis_url=self.redis_url,
            kafka=self._broker(),
            otlp_endpoint=endpoint_of(self.otlp_endpoint),
        )

    def _broker(self) -> "Broker | None":
        from streaming.broker import Broker

        if self.kafka is None:
            return None
        session = self.kafka_session
        return Broker(self.kafka, self.kafka_group, security=self.security(), session_s=session)

    def _keys(self) -> "Keys":
        from api.auth import Keys

        return Keys.of(read_keys(self.api_keys, self.api_keys_file))

    def _admin_keys(self) -> "Keys":
        from api.auth import Keys

        return Keys.of(read_keys(self.admin_keys, self.admin_keys_file))

    def _announce(self, addresses: list[str]) -> None:
        self.emit({"urls": addresses}, Text(f"GenPage is at {' '.join(addresses)}"))


def read_keys(listed: str, file: Path | None) -> list[str]:
    """The keys of a list by commas and of a file with one a line; ``#`` begins a comment line."""
    keys = [key.strip() for key in listed.split(",")]
    if file is not None:
        try:
            lines = file.read_text("utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"cannot read the keys in {file}: {error}") from error
        found = [line.strip() for line in lines if not line.lstrip().startswith("#")]
        if not any(found):
            raise UsageError(f"{file} holds no key; write one a line")
        keys += found
    return [key for key in keys if key]


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server on ``host``."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def listening_socket(host: str, port: int) -> socket.socket:
    """A bound socket, taken before the bundle is loaded; `UsageError` where it cannot be had."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        bound = socket.socket(family, kind)
    except OSError as error:
        raise UsageError(f"--host {host}: {error.strerror or error}") from error
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except OSError as error:
        bound.close()
        raise UsageError(f"cannot listen on {host}:{port}: {error.strerror}; --port?") from error
    return bound
