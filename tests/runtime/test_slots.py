"""Slot bookkeeping: reuse by key and prefix, eviction, erasure."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule
from pages import library

from genpage.grammar import DecodedRow
from runtime.arrays import IntArray
from runtime.fake import FakeModel
from runtime.prefix import PrefixKey, common_prefix
from runtime.shown import Shown
from runtime.slots import Slots

ADA, BOB = PrefixKey("d1", "ada"), PrefixKey("d1", "bob")
MODEL = FakeModel.of(library(entities=4, rows=2))
A_PAGE, ANOTHER = Shown.of([DecodedRow(0, (1,))], MODEL), Shown.of([DecodedRow(1, (2,))], MODEL)


def tokens(*values: int) -> IntArray:
    """Tokens as the books take them."""
    return np.array(values, np.int32)


def use(slots: Slots, key: PrefixKey, prompt: IntArray) -> tuple[int, int]:
    """Let a page with this prompt come and go; (slot, cached)."""
    allocation = slots.allocate(key, prompt)
    slots.record(allocation.slot, allocation.cached, prompt[allocation.cached :])
    slots.release(allocation.slot)
    slots.check_integrity()
    return allocation.slot, allocation.cached


@given(st.lists(st.integers(0, 2)), st.lists(st.integers(0, 2)))
def test_common_prefix_counts_agreeing_tokens(left: list[int], right: list[int]) -> None:
    """Against a loop."""
    shared = 0
    for ours, theirs in zip(left, right, strict=False):
        if ours != theirs:
            break
        shared += 1
    assert common_prefix(tokens(*left), tokens(*right)) == shared


def test_a_prompt_that_grew_reuses_all_it_had() -> None:
    """Four tokens appended: what stood before them is cached."""
    slots = Slots(2, 16)
    first, _ = use(slots, ADA, tokens(1, 2, 3))
    assert use(slots, ADA, tokens(1, 2, 3, 4, 5)) == (first, 3)


def test_the_last_token_is_always_computed() -> None:
    """The same prompt again: its last token's scores are still wanted."""
    slots = Slots(1, 16)
    use(slots, ADA, tokens(1, 2, 3))
    assert use(slots, ADA, tokens(1, 2, 3)) == (0, 2)
    assert use(slots, ADA, tokens(1, 2)) == (0, 1)
    assert use(slots, ADA, tokens(1)) == (0, 0)


@pytest.mark.parametrize("other", [BOB, PrefixKey("d2", "ada")])
def test_another_key_is_never_hit(other: PrefixKey) -> None:
    """Equal tokens under another member or bundle are not reused."""
    slots = Slots(1, 16)
    use(slots, ADA, tokens(1, 2, 3))
    assert use(slots, other, tokens(1, 2, 3)) == (0, 0)


def test_the_longest_prefix_of_a_member_is_taken() -> None:
    """Two entries of one member: the one that shares more."""
    slots = Slots(2, 16)
    one = slots.allocate(ADA, tokens(1, 2, 3))
    two = slots.allocate(ADA, tokens(1, 9, 9))
    slots.record(one.slot, 0, tokens(1, 2, 3))
    slots.record(two.slot, 0, tokens(1, 9, 9))
    slots.release(one.slot)
    slots.release(two.slot)
    assert use(slots, ADA, tokens(1, 2, 3, 4)) == (one.slot, 3)


def test_the_least_recently_used_goes_first() -> None:
    """A newcomer takes the slot that was free the longest."""
    slots = Slots(2, 16)
    use(slots, ADA, tokens(1, 2))
    use(slots, BOB, tokens(1, 2))
    use(slots, ADA, tokens(1, 2))
    use(slots, PrefixKey("d1", "eve"), tokens(5, 6))
    assert use(slots, ADA, tokens(1, 2, 3))[1] == 2
    assert use(slots, BOB, tokens(1, 2, 3))[1] == 0


def test_empty_slots_go_before_kept_ones() -> None:
    """Nothing is evicted while a slot with nothing in it is free."""
    slots = Slots(2, 16)
    use(slots, ADA, tokens(1, 2))
    broken = slots.allocate(BOB, tokens(3, 4))
    slots.release(broken.slot, keep=False)
    assert use(slots, PrefixKey("d1", "eve"), tokens(5, 6))[0] == broken.slot


def test_without_the_prefix_cache_nothing_is_kept() -> None:
    """--prefix-cache off."""
    slots = Slots(1, 16, prefix_cache=False)
    use(slots, ADA, tokens(1, 2, 3))
    assert slots.reusable_tokens == 0
    assert use(slots, ADA, tokens(1, 2, 3)) == (0, 0)


def test_an_erased_member_leaves_nothing() -> None:
    """In a free slot at once; in a busy one when its page ends."""
    slots = Slots(2, 16)
    use(slots, ADA, tokens(1, 2, 3))
    busy = slots.allocate(BOB, tokens(4, 5))
    slots.record(busy.slot, 0, tokens(4, 5))
    slots.forget("ada")
    slots.forget("bob")
    assert slots.reusable_tokens == 0
    assert slots.live_tokens == 2
    slots.release(busy.slot)
    assert slots.reusable_tokens == 0
    assert use(slots, BOB, tokens(4, 5, 6))[1] == 0


def test_a_page_that_left_before_its_prompt_hands_on_no_ones_tokens() -> None:
    """The slot was another member's; what it held must not become the newcomer's."""
    slots = Slots(1, 16)
    use(slots, ADA, tokens(1, 2, 3))
    slots.release(slots.allocate(BOB, tokens(1, 2, 3)).slot)
    slots.check_integrity()
    assert use(slots, BOB, tokens(1, 2, 3)) == (0, 0)


def test_misuse_is_a_bug() -> None:
    """No slot to give, a slot given back twice, a write beyond what is held."""
    slots = Slots(1, 4)
    held = slots.allocate(ADA, tokens(1, 2))
    assert not slots.can_allocate()
    with pytest.raises(RuntimeError, match="This is a bug"):
        slots.allocate(BOB, tokens(1))
    for start, values in ((1, tokens(1)), (0, tokens(1, 2, 3, 4, 5))):
        with pytest.raises(RuntimeError, match="This is a bug"):
            slots.record(held.slot, start, values)
    slots.release(held.slot)
    with pytest.raises(RuntimeError, match="This is a bug"):
        slots.release(held.slot)
    with pytest.raises(RuntimeError, match="This is a bug"):
        slots.record(held.slot, 0, tokens(1))


def test_what_gives_way_is_the_least_recently_used_and_leaves_memory() -> None:
    """Kept entries go one by one, those of busy slots never; each is told once."""
    dropped: list[int] = []
    gone: list[None] = []
    slots = Slots(3, 16, token_bytes=10, drop=dropped.append, evicted=lambda: gone.append(None))
    first, _ = use(slots, ADA, tokens(1, 2))
    second, _ = use(slots, BOB, tokens(1, 2, 3))
    busy = slots.allocate(PrefixKey("d1", "eve"), tokens(4), needs=9)
    assert (slots.kept_bytes, slots.reserved_bytes, slots.held_bytes) == (50, 90, 50)
    assert slots.evict()
    assert dropped == [first]
    assert slots.evict()
    assert dropped == [first, second]
    assert not slots.evict()
    assert (slots.kept_bytes, slots.held_bytes, len(gone)) == (0, 0, 2)
    slots.release(busy.slot)
    slots.check_integrity()


def test_a_slot_that_another_member_takes_over_holds_nothing_of_the_first() -> None:
    """Its memory is given back before the newcomer writes, however short their prompt is."""
    dropped: list[int] = []
    slots = Slots(1, 16, drop=dropped.append)
    use(slots, ADA, tokens(1, 2, 3))
    use(slots, ADA, tokens(1, 2, 3, 4))
    assert dropped == []
    use(slots, BOB, tokens(9))
    assert dropped == [0]
    assert slots.held_bytes == 1


def test_an_erased_members_memory_is_given_back() -> None:
    """Of a free slot at once, of a busy one with its page."""
    dropped: list[int] = []
    slots = Slots(2, 16, drop=dropped.append)
    free, _ = use(slots, ADA, tokens(1, 2, 3))
    slots.forget("ada")
    assert dropped == [free]
    busy = slots.allocate(ADA, tokens(1, 2))
    slots.record(busy.slot, 0, tokens(1, 2))
    slots.forget("ada")
    assert dropped == [free]
    slots.release(busy.slot)
    assert dropped == [free, busy.slot]
    assert slots.held_bytes == 0


class Books(RuleBasedStateMachine):
    """Slots against a dictionary of what each slot's KV truly holds."""

    pages = Bundle("pages")

    @initialize(count=st.integers(1, 3), prefix_cache=st.booleans())
    def build(self, count: int, *, prefix_cache: bool) -> None:
        """New slots; nothing in any of them."""
        self.slots = Slots(count, 12, prefix_cache=prefix_cache, drop=self.drop)
        self.prefix_cache = prefix_cache
        self.truth: dict[int, tuple[PrefixKey, list[int]]] = {}
        self.shown: dict[int, tuple[PrefixKey, Shown]] = {}
        self.busy: set[int] = set()
        self.count = count

    def drop(self, slot: int) -> None:
        """The slot's memory is gone, and with it whatever was to be reused."""
        self.truth.pop(slot, None)
        self.shown.pop(slot, None)

    @rule()
    def evict(self) -> None:
        """What was kept gives way; pages under way do not."""
        kept = [slot for slot in self.truth if slot not in self.busy and self.truth[slot][1]]
        assert self.slots.evict() == bool(kept)
        assert self.slots.kept_bytes <= sum(len(self.truth[slot][1]) for slot in self.truth) * 12

    @rule(
        target=pages,
        member=st.sampled_from(["ada", "bob"]),
        prompt=st.lists(st.integers(0, 1), min_size=1, max_size=8),
        fed=st.booleans(),
    )
    def begin(self, member: str, prompt: list[int], *, fed: bool) -> int | None:
        """A page comes; what counts as cached must truly be there, and be its member's."""
        assert self.slots.can_allocate() == (len(self.busy) < self.count)
        if not self.slots.can_allocate():
            return None
        key = PrefixKey("d", member)
        allocation = self.slots.allocate(key, tokens(*prompt))
        slot, cached = allocation.slot, allocation.cached
        assert slot not in self.busy
        if allocation.page is not None:
            assert self.shown[slot] == (key, allocation.page)
        if cached:
            owner, held = self.truth[slot]
            assert self.prefix_cache
            assert owner == key
            assert held[:cached] == prompt[:cached]
            assert cached < len(prompt)
        self.truth[slot] = (key, prompt[:cached])
        self.busy.add(slot)
        if fed:
            self.slots.record(slot, cached, tokens(*prompt[cached:]))
            self.truth[slot] = (key, list(prompt))
        return slot

    @rule(slot=pages, more=st.lists(st.integers(0, 1), min_size=1, max_size=3))
    def write(self, slot: int | None, more: list[int]) -> None:
        """A page feeds more tokens."""
        if slot not in self.busy:
            return
        assert slot is not None
        key, held = self.truth[slot]
        if len(held) + len(more) <= 12:
            self.slots.record(slot, len(held), tokens(*more))
            self.truth[slot] = (key, held + more)

    @rule(slot=consumes(pages), keep=st.booleans(), page=st.sampled_from([None, A_PAGE, ANOTHER]))
    def end(self, slot: int | None, page: Shown | None, *, keep: bool) -> None:
        """A page goes; with ``keep`` False its KV is not to be trusted."""
        if slot not in self.busy:
            return
        assert slot is not None
        if page is not None:
            self.shown[slot] = (self.truth[slot][0], page)
        self.slots.release(slot, keep=keep, page=page)
        self.busy.discard(slot)
        if not keep:
            self.truth.pop(slot, None)

    @invariant()
    def integrity(self) -> None:
        """The books agree with themselves and with the count of busy slots."""
        self.slots.check_integrity()
        assert self.slots.free == self.count - len(self.busy)
        assert self.slots.live_tokens == sum(len(self.truth[slot][1]) for slot in self.busy)


TestBooks = Books.TestCase


def test_a_page_is_kept_with_the_prompt_that_it_was_made_of() -> None:
    """For its own member alone, until its slot gives way or the member is forgotten."""
    slots = Slots(1, 16)
    first = slots.allocate(ADA, tokens(1, 2, 3))
    assert first.page is None
    slots.record(first.slot, 0, tokens(1, 2, 3))
    slots.release(first.slot, page=A_PAGE)
    again = slots.allocate(ADA, tokens(1, 2, 3, 4))
    assert again.page is A_PAGE
    slots.record(again.slot, again.cached, tokens(4))
    slots.release(again.slot, page=ANOTHER)
    other = slots.allocate(BOB, tokens(1, 2, 3, 4))
    assert other.page is None
    slots.record(other.slot, 0, tokens(1, 2))
    slots.release(other.slot, page=A_PAGE)
    slots.forget("bob")
    assert slots.allocate(BOB, tokens(1, 2)).page is None


def test_a_page_that_was_left_does_not_take_the_place_of_a_whole_one() -> None:
    """Who closes the tab after a row comes back to the page before."""
    slots = Slots(1, 16)
    for page, expected in ((A_PAGE, None), (None, A_PAGE), (ANOTHER, A_PAGE), (None, ANOTHER)):
        allocation = slots.allocate(ADA, tokens(1, 2))
        assert allocation.page is expected
        slots.record(allocation.slot, allocation.cached, tokens(1, 2)[allocation.cached :])
        slots.release(allocation.slot, page=page)


def test_a_page_whose_slot_is_not_kept_is_not_kept_either() -> None:
    """A failed page is no draft, nor is any where prompts are not kept."""
    for slots, keep in ((Slots(1, 16), False), (Slots(1, 16, prefix_cache=False), True)):
        first = slots.allocate(ADA, tokens(1, 2, 3))
        slots.record(first.slot, 0, tokens(1, 2, 3))
        slots.release(first.slot, keep=keep, page=A_PAGE)
        assert slots.allocate(ADA, tokens(1, 2, 3)).page is None
