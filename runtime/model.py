"""A loaded bundle with a catalog snapshot, ready to serve."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from genpage.audience import Audience, Audiences
from genpage.catalog import Catalog
from genpage.context import Context
from genpage.errors import BundleError, UsageError
from genpage.request import PageRequest
from genpage.rules import Rules
from genpage.trends import Trends
from runtime import golden
from runtime.arrays import FloatArray, IntArray
from runtime.asking import Asking
from runtime.backend import Head
from runtime.bundle import Bundle, Contents
from runtime.cases import GoldenCase
from runtime.device import CPU
from runtime.draft_head import DraftHead
from runtime.exactness import is_exact
from runtime.foresight import Foresight
from runtime.lanes import LANES
from runtime.limits import KV_BYTES
from runtime.manifest import Manifest
from runtime.scope import Scope
from runtime.sessions import SessionSettings
from runtime.snapshot import Snapshot
from runtime.trunk import TrunkBackend
from runtime.verdicts import Verdicts
from tokenizer.appeal import PageAppeal
from tokenizer.grounds import Ground, owed
from tokenizer.prompt import PromptEncoder
from tokenizer.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True)
class LoadSettings:
    """``slots``: pages under way and members whose prompts stay warm, in all.

    ``batch``: pages decoded at once, whose chunks may share a pass. ``kv_bytes``: what the engine
    lets all slots take. ``verdicts`` remember whose golden pages were met. ``packed`` is the folder
    that packed weights are written to (`runtime.packing`).
    """

    slots: int = 8
    session: SessionSettings = field(default_factory=SessionSettings)
    batch: int = 8
    kv_bytes: int = KV_BYTES
    verdicts: Verdicts = field(default_factory=Verdicts)
    packed: Path | None = None

    def __post_init__(self) -> None:
        for name in ("slots", "batch"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} must be at least 1, not {getattr(self, name)}.")

    @property
    def head(self) -> SessionSettings:
        """Of the head's sessions: it is scored on the CPU, wherever the trunk runs."""
        return replace(self.session, device=CPU)

    @property
    def lanes(self) -> tuple[int, ...]:
        """How many chunks the passes take that there is a graph for."""
        return tuple(n for n in LANES if n <= min(self.batch, self.slots))


@dataclass(frozen=True, slots=True, eq=False)
class LoadedModel:
    """A bundle in memory with one catalog snapshot and one set of rules.

    Immutable; it fulfils `runtime.job.ServedModel`. The snapshots of one bundle (`with_catalog`)
    share its backend, and with it the KV; a page keeps the one that it was admitted with.
    """

    manifest: Manifest
    digest: str
    backend: TrunkBackend
    snapshot: Snapshot
    rules: Rules
    trends: Trends
    encoder: PromptEncoder
    settings: LoadSettings
    # The catalog that it was exported with, which all snapshots are made from.
    bundled: Catalog
    asking: Asking | None = None
    drafts: DraftHead | None = None
    # Whether its passes and scores are the same bits however tokens come (`runtime.exactness`),
    # where that was tried out.
    exact: bool | None = None
    # Eligible sets of the snapshot under the rules.
    audiences: Audiences = field(init=False)

    def __post_init__(self) -> None:
        """None are kept yet."""
        object.__setattr__(self, "audiences", Audiences(self.snapshot.catalog, self.rules))

    @classmethod
    def load(
        cls, folder: Path, settings: LoadSettings | None = None, *, digest: str | None = None
    ) -> "LoadedModel":
        """Read, check and try out a bundle; takes seconds, so never on a request's path.

        Golden pages that were met on this host before are not made again (`runtime.verdicts`).
        `BundleError` where a file, a shape or a golden page differs from what the manifest
        promises, or where the bundle is not the one that ``digest`` names.
        """
        model, cases = cls.read(folder, settings, digest=digest)
        device = model.settings.session.device
        if not (device.promises_exactness and model.settings.verdicts.holds(model.digest)):
            model.try_out(cases)
            model.passed()
        return model

    @classmethod
    def read(
        cls, folder: Path, settings: LoadSettings | None = None, *, digest: str | None = None
    ) -> tuple["LoadedModel", tuple[GoldenCase, ...]]:
        """Read and check a bundle; it may not serve before it passed `try_out` with the cases."""
        bundle = Bundle.open(folder)
        if digest is not None and bundle.digest != digest:
            raise BundleError(f"{folder} has the digest {bundle.digest}, not {digest} as asked.")
        model = cls.assemble(bundle.manifest, bundle.digest, bundle.contents, settings)
        tokens = bundle.manifest.vocabulary_size
        exact = is_exact(model.backend, tokens, max(model.settings.lanes))
        exact &= model.snapshot.scores_exactly(bundle.manifest.precision, model.settings.head)
        return replace(model, exact=exact), bundle.golden

    def try_out(self, cases: Sequence[GoldenCase]) -> None:
        """Replay the golden pages; `BundleError` where one differs. Nobody else uses it yet."""
        manifest = self.manifest
        device = self.settings.session.device
        exact = device.promises_exactness and golden.recorded_alike(manifest.made_with)
        golden.check(self, cases, manifest.gate, random=manifest.random, exact=exact)

    def passed(self) -> None:
        """All of the bundle's cases were met: on this host they need not be made again."""
        # A verdict's name tells the processor, and nothing of a device.
        if self.settings.session.device.promises_exactness:
            self.settings.verdicts.remember(self.digest)

    @classmethod
    def assemble(
        cls,
        manifest: Manifest,
        digest: str,
        contents: Contents,
        settings: LoadSettings | None = None,
    ) -> "LoadedModel":
        """A model of parts that nobody has judged yet; export judges them through it."""
        settings = settings or LoadSettings()
        settings.session.device.check_serves(manifest.precision)
        snapshot = Snapshot.of(
            contents.catalog,
            contents.lexicon,
            manifest.precision,
            settings.head,
            contents.appeal,
            manifest.sources,
            drafts=contents.drafts,
        )
        backend = TrunkBackend(
            contents.trunk,
            manifest.trunk.signature,
            snapshot.lexicon.inputs,
            capacity=manifest.trunk.capacity,
            slots=settings.slots,
            settings=settings.session,
            lanes=settings.lanes,
            packed=settings.packed,
        )
        bundled, vocabulary = contents.lexicon.vocabulary, snapshot.lexicon.vocabulary
        encoder = PromptEncoder(
            bundled,
            history_tokens=manifest.history_tokens,
            sources=manifest.sources,
            serialised=manifest.serialised,
        )
        if vocabulary is not bundled:
            encoder = encoder.over(vocabulary)
        return cls(
            manifest=manifest,
            digest=digest,
            backend=backend,
            snapshot=snapshot,
            rules=contents.rules,
            trends=contents.trends,
            encoder=encoder,
            settings=settings,
            asking=contents.asking,
            bundled=contents.catalog,
            drafts=contents.drafts,
        )

    @property
    def version(self) -> str:
        """The bundle's version."""
        return self.manifest.version

    @property
    def created_at(self) -> float:
        """When the bundle was exported, Unix seconds."""
        return self.manifest.created_at

    @property
    def catalog(self) -> Catalog:
        """The snapshot's catalog."""
        return self.snapshot.catalog

    @property
    def vocabulary(self) -> Vocabulary:
        """The bundle's vocabulary, grown by what is new in the snapshot."""
        return self.snapshot.lexicon.vocabulary

    @property
    def head(self) -> Head:
        """The snapshot's head over all of the catalog, which may be slow (`runtime.snapshot`)."""
        return self.snapshot.head

    @property
    def row_tokens(self) -> IntArray:
        """(R,) the token of each row, in catalog order."""
        return self.snapshot.row_tokens

    @property
    def entity_tokens(self) -> IntArray:
        """(E,) the token of each entity, in catalog order."""
        return self.snapshot.entity_tokens

    @property
    def serialised(self) -> int | None:
        """How many entities of a row are in the sequence; None: all."""
        return self.manifest.serialised

    @property
    def foresight(self) -> Foresight | None:
        """What drafts may be made by besides scores that are at hand."""
        return self.snapshot.foresight

    def scope(self, audience: Audience | None) -> Scope | None:
        """What a page of this audience is scored by; None: by all of the catalog."""
        return self.snapshot.scopes.of(audience)

    def appeal(self, context: Context, request: PageRequest, trends: Trends) -> PageAppeal | None:
        """What the moment adds to this page's scores; None where the model learnt nothing of it."""
        held = self.snapshot.appeal
        return None if held is None else held.page(context, request, trends)

    def grounds(
        self, context: Context, request: PageRequest, trends: Trends
    ) -> Mapping[Ground, FloatArray] | None:
        """What each title's appeal on such a page owes to what, (E,) by ground; for people."""
        held = self.snapshot.appeal
        return None if held is None else owed(held, held.signs(context, request, trends))

    def sharing(self, other: "LoadedModel") -> "LoadedModel":
        """The same model, freshly loaded, holding once what it and ``other`` have alike.

        The catalog and the vocabulary outlive their model, in pages that are over and kept.
        """
        model = self
        if model.bundled.version == other.bundled.version and model.catalog is model.bundled:
            snapshot = replace(model.snapshot, catalog=other.bundled)
            model = replace(model, bundled=other.bundled, snapshot=snapshot)
        mine, theirs = model.vocabulary, other.vocabulary
        if (mine.digest, mine.lineage) == (theirs.digest, theirs.lineage):
            lexicon = replace(model.snapshot.lexicon, vocabulary=theirs)
            encoder = replace(model.encoder, vocabulary=theirs)
            snapshot = replace(model.snapshot, lexicon=lexicon)
            model = replace(model, snapshot=snapshot, encoder=encoder)
        return model

    def with_rules(self, rules: Rules) -> "LoadedModel":
        """The same model under other rules; `RulesError` where they do not fit the catalog."""
        rules.check(self.catalog)
        return replace(self, rules=rules)

    def with_catalog(self, catalog: Catalog, trends: Trends) -> "LoadedModel":
        """The same model over a newer snapshot; builds its head, so never on a request's path.

        ``trends`` are by the new catalog's indices. Snapshots follow each other: call it on the
        newest one, since new items get their tokens in the order they come.
        """
        snapshot = Snapshot.of(
            catalog,
            self.snapshot.lexicon,
            self.manifest.precision,
            self.settings.head,
            None if self.snapshot.appeal is None else self.snapshot.appeal.weights,
            self.manifest.sources,
            self.snapshot,
            self.drafts,
        )
        self.backend.use(snapshot.lexicon.inputs)
        encoder = self.encoder.over(snapshot.lexicon.vocabulary)
        return replace(self, snapshot=snapshot, trends=trends, encoder=encoder)
