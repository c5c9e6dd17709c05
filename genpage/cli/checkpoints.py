"""``genpage checkpoints publish|list|activate|rollback|status``.

By Kafka a command speaks to all replicas: going back announces the earlier bundle anew. By
``--url`` it speaks to one server's admin routes.
"""

import asyncio
import logging
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from pydantic import Field
from pydantic_settings import CliPositionalArg
from rich.table import Column, Table
from rich.text import Text

from genpage.cli.kafka import KafkaCommand
from genpage.errors import ConflictError, InputError, NotFoundError, UsageError

if TYPE_CHECKING:
    from genpage.cli.admin_client import AdminClient
    from rollout.announcement import Announcement
    from rollout.fetch import Found
    from streaming.checkpoint_board import Board

# Who has been silent for longer is not asked, nor listed. Seconds.
LATELY_S: Final = 86_400.0
# Where a status names bundles.
_ROLES: Final = ("active", "previous", "canary", "shadow")


class Checkpoints(KafkaCommand):
    """Where the replicas are."""

    url: str | None = Field(default=None, description="one server's address, in place of --kafka")
    admin_key: str | None = Field(default=None, description="for --url", repr=False)
    model_name: str = Field(
        default="genpage", min_length=1, description="name that bundles are announced under"
    )

    def server(self) -> "AdminClient | None":
        """The server of ``--url``; `UsageError` where neither that nor ``--kafka`` is given."""
        from genpage.cli.admin_client import AdminClient

        if self.url is not None:
            return AdminClient(self.url, self.admin_key)
        self.brokers()
        return None

    def brokers(self) -> str:
        """``--kafka``; `UsageError` where it is not given."""
        if self.kafka is None:
            raise UsageError("say where: --kafka HOST:PORT for all replicas, or --url SERVER")
        return self.kafka

    def board(self) -> "Board":
        """The topics of ``--kafka``."""
        from streaming.broker import Broker
        from streaming.checkpoint_board import Board

        # What it has to say is in the one message that a command ends with.
        logging.getLogger("aiokafka").addHandler(logging.NullHandler())
        return Board(Broker(self.brokers(), security=self.security()), self.model_name)

    def announce(self, announcement: "Announcement") -> dict[str, Any]:
        """Announce to every replica; `UsageError` for what they would not take up."""
        document = _checked(announcement)
        return asyncio.run(self.board().announce(document))


class Anew(Checkpoints):
    """A bundle that was announced before."""

    new_lineage: bool = Field(default=False, description="its vocabulary may be an unrelated one")
    again: bool = Field(default=False, description="try it though these bytes were refused before")

    def announce_anew(
        self,
        bundle: dict[str, Any],
        announced: list[dict[str, Any]],
        left_out: Sequence[str] = (),
    ) -> None:
        """Have every replica serve a bundle at once, on the terms it was ``announced`` on.

        ``left_out`` says of each replica that was not asked why.
        """
        from rollout.announcement import Announcement
        from rollout.terms import Terms

        terms = Terms()
        for each in announced:
            if each.get("digest") == bundle["digest"]:
                with suppress(InputError):
                    terms = Announcement.parse(each).rollout
        terms = replace(
            terms,
            strategy="immediate",
            new_lineage=terms.new_lineage or self.new_lineage,
            again=terms.again or self.again,
        )
        announcement = Announcement(
            bundle["bundle_uri"],
            time.time(),
            bundle["digest"],
            bundle["version"],
            rollout=terms,
        )
        document = self.announce(announcement)
        lines = (f"announced {bundle['version']} anew, for every replica", *left_out)
        self.emit({**document, "left_out": left_out}, Text("\n  ".join(lines)))


class Publish(Checkpoints):
    """Announce a bundle: replicas fetch, check and try it, and then serve it."""

    bundle: CliPositionalArg[str] = Field(description="its folder, or the URI of one")
    strategy: Literal["immediate", "canary", "shadow", "manual"] = Field(
        default="immediate", description="how it comes to serve"
    )
    share: float = Field(default=0.05, gt=0, le=1, description="of members, or of shadowed pages")
    pages: int = Field(default=200, ge=1, description="a canary's, before it is promoted")
    seconds: float = Field(default=600, ge=0, description="a canary's, before it is promoted")
    latency_ratio: float = Field(
        default=2.0, ge=1, description="what its pages may take of the active bundle's time"
    )
    new_lineage: bool = Field(default=False, description="its vocabulary may be an unrelated one")
    again: bool = Field(default=False, description="try it though these bytes were refused before")
    cadence: str | None = Field(default=None, description="such as daily, for people")

    def run(self) -> None:
        """Announce it, and say so."""
        document, where = self.announced()
        self.emit(document, Text(f"announced {document['version']} to {where}"))

    def announced(self) -> tuple[dict[str, Any], str]:
        """Announce it; what was announced, and to whom."""
        from rollout.announcement import Announcement
        from rollout.terms import Terms

        server, found = self.server(), self._found()
        terms = Terms(
            strategy=self.strategy,
            share=self.share,
            pages=self.pages,
            seconds=self.seconds,
            latency_ratio=self.latency_ratio,
            new_lineage=self.new_lineage,
            again=self.again,
        )
        manifest = found.manifest
        if server is not None:
            _checked(Announcement(found.uri, time.time(), found.digest, rollout=terms))
            body = {"bundle_uri": found.uri, "digest": found.digest, "rollout": asdict(terms)}
            document = server.post("", body, needs=("id", "state"))
            if document["state"] == "rejected":
                raise ConflictError(f"{self.url} does not take it up: {document.get('why')}")
            where = f"{self.url}; follow it: genpage checkpoints list --url {self.url}"
        else:
            announcement = Announcement(
                found.uri,
                time.time(),
                found.digest,
                manifest.version,
                manifest.parent,
                self.cadence,
                terms,
            )
            document = self.announce(announcement)
            where = f"every replica; follow it: genpage checkpoints status --kafka {self.kafka}"
        return document | {"version": manifest.version}, where

    def _found(self) -> "Found":
        """The bundle's manifest; of a folder here, every file is checked before it is announced."""
        from rollout.fetch import Fetcher
        from rollout.source import Sources
        from runtime.verified import VerifiedFolder

        uri = self.bundle
        if "://" not in uri and not uri.startswith("file:"):
            folder = Path(uri).resolve()
            VerifiedFolder.open(folder)
            uri = folder.as_uri()
        sources = Sources(() if uri.startswith("file:") else (uri,))
        return Fetcher(Path(), sources).find(uri, None)


class List(Checkpoints):
    """What was announced."""

    def run(self) -> None:
        """Print it, oldest first; digests and URIs are in the JSON alone."""
        server = self.server()
        if server is not None:
            held: list[dict[str, Any]] = server.get("", needs=("checkpoints",))["checkpoints"]
        else:
            held = asyncio.run(self.board().announcements())
        table = Table(_whole("version"), "strategy", "announced", "state", "why")
        for each in held:
            table.add_row(
                each.get("version") or "",
                each.get("strategy") or (each.get("rollout") or {}).get("strategy", "immediate"),
                _moment(each.get("created_at")),
                each.get("state") or "",
                each.get("why") or "",
            )
        self.emit({"checkpoints": held}, table)


class Activate(Anew):
    """Make pages with a version that was announced, or served, before."""

    version: CliPositionalArg[str] = Field(description="the bundle's version")

    def run(self) -> None:
        """At once on one server; by an announcement on all."""
        server = self.server()
        if server is not None:
            document = server.activate(self.version)
            self.emit(document, Text(f"{document['version']} serves"))
            return
        board = self.board()
        announced, statuses = asyncio.run(_standing(board, time.time() - LATELY_S))
        bundle = self._found([*statuses, *announced])
        if bundle is None:
            # A month of statuses is long to read, and seldom has more.
            bundle = self._found(asyncio.run(board.statuses()))
        if bundle is None:
            raise NotFoundError(
                f"no bundle of version {self.version} was announced or reported; publish it"
            )
        self.announce_anew(bundle, announced)

    def _found(self, documents: list[dict[str, Any]]) -> dict[str, Any] | None:
        """The bundle of the version, as the latest of the documents has it that names it."""
        from rollout.way_back import is_whole

        for each in reversed(documents):
            for bundle in (each, *(each.get(role) for role in _ROLES)):
                if isinstance(bundle, dict) and is_whole(bundle, self.version):
                    return bundle
        return None


class Rollback(Anew):
    """Go back to the version before."""

    def run(self) -> None:
        """At once on one server; by an announcement on all."""
        server = self.server()
        if server is not None:
            document = server.post("/rollback", needs=("version",))
            self.emit(document, Text(f"{document['version']} serves"))
            return
        from rollout.silence import in_words, is_silent
        from rollout.way_back import latest, way_back

        now = time.time()
        announced, statuses = asyncio.run(_standing(self.board(), now - LATELY_S))
        speaking, left_out = [], []
        for each in latest(statuses):
            if is_silent(each, now):
                left_out.append(f"{each['replica']}: not asked, {in_words(each, now)}")
            else:
                speaking.append(each)
        self.announce_anew(way_back(announced, speaking, left_out), announced, left_out)


class Status(Checkpoints):
    """Who serves what, and why."""

    def run(self) -> None:
        """The latest of each replica of today; of one server with its own history."""
        from rollout.silence import in_words, is_silent
        from rollout.way_back import latest

        server, now = self.server(), time.time()
        if server is not None:
            document = server.get("/status", needs=("statuses",))
            told = document["statuses"]
        else:
            told = latest(asyncio.run(self.board().statuses(now - LATELY_S)))
            told = [{**each, "silent": is_silent(each, now)} for each in told]
            document = {"replicas": told}
        table = Table(*map(_whole, ("replica", "serves", "before")), "at", "said", "of", "why")
        if server is None:
            table.add_column("heard")
        for each in told:
            heard = () if server is not None else (in_words(each, now),)
            table.add_row(
                each.get("replica"),
                (each.get("active") or {}).get("version", ""),
                (each.get("previous") or {}).get("version", ""),
                _moment(each.get("at")),
                each.get("event"),
                each.get("version") or "",
                each.get("why") or "",
                *heard,
            )
        self.emit(document, table)


async def _standing(
    board: "Board", since: float
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """What was announced, and what was said of it since a moment."""
    return await board.announcements(), await board.statuses(since)


def _checked(announcement: "Announcement") -> dict[str, Any]:
    """The document, as replicas will read it; `UsageError` names the flag they would refuse."""
    from rollout.announcement import Announcement

    document = announcement.document()
    try:
        Announcement.parse(document)
    except InputError as error:
        _, name, why = str(error).split(": ", 2)
        flag = name.rsplit(".", 1)[-1].replace("_", "-")
        raise UsageError(f"--{flag}: {why}") from error
    return document


def _whole(name: str) -> Column:
    """A column to copy from: it is folded, never cut."""
    return Column(name, overflow="fold", min_width=12)


def _moment(seconds: object) -> str:
    if not isinstance(seconds, int | float):
        return ""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")
