"""The ports to the loaded bundles, as the server needs them."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from genpage.audience import Audience, Audiences
from genpage.catalog import Catalog
from genpage.context import Context
from genpage.request import PageRequest
from genpage.rules import Rules
from genpage.trends import Trends
from runtime.job import ServedModel
from runtime.scope import Scope
from tokenizer.appeal import FloatArray, PageAppeal
from tokenizer.grounds import Ground
from tokenizer.prompt import PromptEncoder


class Served(ServedModel, Protocol):
    """A bundle that is loaded, with its catalog snapshot; immutable."""

    @property
    def version(self) -> str:
        """The bundle's version."""
        ...

    @property
    def created_at(self) -> float:
        """When the bundle was exported, Unix seconds."""
        ...

    @property
    def exact(self) -> bool | None:
        """Whether its pages are the same bits however they are computed; None: not tried out."""
        ...

    @property
    def catalog(self) -> Catalog:
        """The catalog snapshot that pages are made from."""
        ...

    @property
    def rules(self) -> Rules:
        """The rules that pages obey."""
        ...

    @property
    def encoder(self) -> PromptEncoder:
        """The encoder of prompts as the model was trained on."""
        ...

    @property
    def audiences(self) -> Audiences:
        """Eligible sets of the catalog under the rules."""
        ...

    def scope(self, audience: Audience | None) -> Scope | None:
        """What a page of this audience is scored by; None: by all of the catalog."""
        ...

    def appeal(self, context: Context, request: PageRequest, trends: Trends) -> PageAppeal | None:
        """What the moment adds to a page's scores; None where nothing is."""
        ...

    def grounds(
        self, context: Context, request: PageRequest, trends: Trends
    ) -> Mapping[Ground, FloatArray] | None:
        """(E,) by ground, what titles' appeal on that page owes to it; for people who ask."""
        ...


class Models(Protocol):
    """Which bundles are loaded, and which one new pages get."""

    @property
    def active(self) -> Served | None:
        """What new pages get, None before there is any."""
        ...

    @property
    def previous(self) -> Served | None:
        """What was active before, kept for a rollback."""
        ...

    @property
    def loaded(self) -> Sequence[Served]:
        """All that are in memory."""
        ...

    def for_member(self, user_id: str) -> Served | None:
        """What this member's next page gets: `active`, unless another one is on trial."""
        ...
