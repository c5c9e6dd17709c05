"""Prompts from what the prompt cache has: a warm member's history is not encoded again."""

from api.served import Served
from genpage.context import Context
from genpage.errors import UnavailableError
from genpage.injection import inject
from genpage.request import PageRequest
from genpage.trends import Trends
from streaming.ports import CachedHistory, PromptCache
from tokenizer.buckets import anchor_of
from tokenizer.prompt import KeptHistory, Prompt


class Prompting:
    """Encodes prompts and fills the cache, which costs time while it is away, and nothing else."""

    def __init__(self, cache: PromptCache) -> None:
        self._cache = cache

    async def prompt(
        self,
        model: Served,
        context: Context,
        request: PageRequest,
        trends: Trends,
        held: CachedHistory | None = None,
        *,
        recorded: bool = True,
    ) -> Prompt:
        """The prompt, the same with and without what the cache ``held``.

        That serves where no event is hidden from the request and none only came with it or
        with a page that it continues (``recorded``): there the context's version names the history.
        """
        injection = inject(model.catalog, trends, request.at)
        encoder, vocabulary = model.encoder, model.encoder.digest
        events, user_id = context.events, context.user_id
        if not events or not recorded or request.engagements or events[-1].ts > request.at:
            return encoder.encode(context, request, injection)
        wanted = context.version, anchor_of(request.at)
        if held is not None and (held.context_version, held.anchor) == wanted:
            kept = KeptHistory(held.summary, held.history)
            if _tokens_of(kept, encoder.told_in.size):
                kept = encoder.restored(kept, context, request.at)
                return encoder.assemble(
                    profile=context.profile,
                    summary=kept.summary,
                    history=kept.history,
                    injection=injection,
                    at=request.at,
                    device=request.device,
                    last_ts=events[-1].ts,
                )
        prompt = encoder.encode(context, request, injection)
        kept = encoder.kept(prompt, context, request.at)
        start = encoder.window.start(context.dropped + len(events))
        oldest = max(context.dropped, start - encoder.window.summarised)
        last = start + encoder.window.events
        encoded = CachedHistory(*wanted, kept.summary, kept.history, oldest, last)
        await self._hold(user_id, vocabulary, encoded)
        return prompt

    async def _hold(self, user_id: str, vocabulary: str, encoded: CachedHistory) -> None:
        try:
            await self._cache.put(user_id, vocabulary, encoded)
        except UnavailableError:
            return


def _tokens_of(kept: KeptHistory, size: int) -> bool:
    """Whether these are tokens of a vocabulary; a damaged value may hold anything."""
    return all(
        not len(part) or (part.min() >= 0 and part.max() < size)
        for part in (kept.summary, kept.history)
    )
