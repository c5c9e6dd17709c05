"""What of a bundle a page that is over still needs: so that the rest can be freed."""

from dataclasses import dataclass
from typing import NoReturn

from api.served import Served
from genpage.audience import Audience
from genpage.catalog import Catalog
from genpage.context import Context
from genpage.request import PageRequest
from genpage.rules import Rules
from genpage.trends import Trends
from tokenizer.prompt import PromptEncoder


@dataclass(frozen=True, slots=True, eq=False)
class PastModel:
    """An `api.served.Served` that decodes nothing any more: without trunk, KV and head."""

    version: str
    digest: str
    created_at: float
    catalog: Catalog
    rules: Rules
    encoder: PromptEncoder

    @classmethod
    def of(cls, model: Served) -> "PastModel":
        """What is left of a model."""
        return cls(
            model.version, model.digest, model.created_at, model.catalog, model.rules, model.encoder
        )

    @property
    def backend(self) -> NoReturn:
        """Gone."""
        raise RuntimeError("a page that is over is decoded. This is a bug.")

    @property
    def serialised(self) -> int | None:
        """As its prompts have it."""
        return self.encoder.serialised

    head = row_tokens = entity_tokens = audiences = exact = foresight = backend

    def appeal(self, context: Context, request: PageRequest, trends: Trends) -> NoReturn:
        """Gone."""
        del context, request, trends
        raise RuntimeError("a page that is over is decoded. This is a bug.")

    grounds = appeal

    def scope(self, audience: Audience | None) -> NoReturn:
        """Gone."""
        del audience
        raise RuntimeError("a page that is over is decoded. This is a bug.")
