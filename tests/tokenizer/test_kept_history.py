"""What is kept of a prompt serves every replica, whichever titles have arrived there."""

import random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from genpage.catalog import Catalog
from genpage.context import Context, apply_event
from genpage.entity import Entity
from genpage.event import ACTIONS, Event
from genpage.injection import Injection
from genpage.request import PageRequest
from tokenizer.prompt import Prompt, PromptEncoder
from tokenizer.symbols import SYMBOL_IDS
from tokenizer.vocabulary import Vocabulary

BUNDLED = [Entity(f"e{n}", "film", f"Film {n}") for n in range(6)]
NEWER = [Entity(f"n{n}", "show", f"Show {n}") for n in range(4)]


def encoder(*arrived: Entity, base: PromptEncoder | None = None) -> PromptEncoder:
    """An encoder of the bundle, on a replica where titles arrived."""
    base = base or PromptEncoder(
        Vocabulary().grown(Catalog.build(BUNDLED, [])), history_tokens=48, history_block=4
    )
    if not arrived:
        return base
    return base.over(base.vocabulary.grown(Catalog.build([*BUNDLED, *arrived], [])))


def prompt(of: PromptEncoder, context: Context, at: float) -> Prompt:
    """The prompt encoded from nothing."""
    return of.encode(context, PageRequest("ada", at), Injection())


@given(st.integers(0, 1 << 30), st.integers(0, 60))
def test_a_kept_history_is_the_encoded_one_on_every_replica(seed: int, events: int) -> None:
    """Whoever keeps it and whoever reads it, before a title arrived and after."""
    chance = random.Random(seed)
    context = Context("ada")
    titles = [entity.id for entity in (*BUNDLED, *NEWER)] + ["unheard"]
    for number in range(events):
        event = Event(
            f"{number}", "ada", chance.choice(titles), chance.choice(ACTIONS), 3_000.0 * number
        )
        context = apply_event(context, event, limit=40)
    at = 3_000.0 * 60
    bundled = encoder()
    some = encoder(*NEWER[:2], base=bundled)
    replicas = [bundled, some, encoder(*NEWER[:2], *NEWER[3:], base=some), encoder(NEWER[2])]
    assert len({each.digest for each in replicas}) == 1
    for writer in replicas:
        kept = writer.kept(prompt(writer, context, at), context, at)
        assert (kept.history < bundled.vocabulary.size).all()
        assert (kept.summary < bundled.vocabulary.size).all()
        for reader in replicas:
            wanted = prompt(reader, context, at)
            found = reader.restored(kept, context, at)
            np.testing.assert_array_equal(found.summary, wanted.inside("summary"))
            np.testing.assert_array_equal(found.history, wanted.inside("history"))


def test_an_arrival_changes_the_prompt_of_those_alone_who_had_the_title() -> None:
    """The others' tokens stay as they are; theirs change where the title stands."""
    before, after = encoder(), encoder(NEWER[0])
    has = apply_event(Context("ada"), Event("1", "ada", "n0", "play", 10.0))
    has_not = apply_event(Context("eve"), Event("1", "eve", "e1", "play", 10.0))
    assert np.array_equal(prompt(before, has_not, 20.0).tokens, prompt(after, has_not, 20.0).tokens)
    unseen, token = (prompt(one, has, 20.0).inside("history")[0] for one in (before, after))
    assert unseen == SYMBOL_IDS["unseen:entity"]
    assert token == after.vocabulary.entity("n0")
