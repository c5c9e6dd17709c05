"""What changes of a catalog come to, whatever the order of their messages."""

import random

from hypothesis import given
from hypothesis import strategies as st

from genpage.catalog import Catalog
from genpage.catalog_changes import CatalogChanges, Change, Withdrawal
from genpage.entity import Entity
from genpage.row import Row

BUNDLED = Catalog.build(
    [Entity(f"e{n}", "film", f"Film {n}") for n in range(4)],
    [Row("r0", "genre", "Any"), Row("r1", "editorial", "Some", entity_ids=("e1", "e2"))],
)


def ids(catalog: Catalog) -> list[str]:
    """Of entities and rows, in order."""
    entities = [entity.id for entity in catalog.entities]
    return entities + [row.id for row in catalog.rows]


def test_nothing_said_changes_nothing() -> None:
    """The very catalog; also where a withdrawal names nobody or a document says nothing new."""
    said: list[Change] = [Withdrawal("entity", "nobody"), BUNDLED.rows[1], BUNDLED.entities[1]]
    assert CatalogChanges().over(BUNDLED) is BUNDLED
    changes = CatalogChanges().then(said)
    assert changes.over(BUNDLED) is BUNDLED
    assert changes.then(said) is changes
    assert changes
    assert not CatalogChanges()


def test_documents_replace_what_the_bundle_has_and_the_new_stand_behind_it() -> None:
    """In place, and by id; what is withdrawn is gone and may come back."""
    new = Entity("a9", "show", "New")
    renamed = Entity("e1", "film", "Another title")
    gone, row = Withdrawal("entity", "e2"), Row("a", "x", "A")
    changes = CatalogChanges().then((new, renamed, gone, row))
    catalog = changes.over(BUNDLED)
    assert ids(catalog) == ["e0", "e1", "e3", "a9", "r0", "r1", "a"]
    assert catalog.entities[1] == renamed
    assert catalog.rows[1].entity_ids == ("e1",)
    assert catalog.version != BUNDLED.version
    assert changes.withdrawn_entities == {"e2"}
    back = changes.then((BUNDLED.entities[2], Withdrawal("row", "a")))
    assert ids(back.over(BUNDLED)) == ["e0", "e1", "e2", "e3", "a9", "r0", "r1"]
    assert back.withdrawn_entities == frozenset()
    assert back.withdrawn_rows == {"a"}
    assert not back.then([Row("a", "x", "A")]).withdrawn_rows


def test_a_row_takes_up_its_titles_when_their_documents_arrive() -> None:
    """Topics are not ordered among keys; membership never meets an unknown name."""
    row = Row("r9", "editorial", "Soon", entity_ids=("later", "e0"))
    early = CatalogChanges().then([row])
    assert early.over(BUNDLED).membership[-1].sum() == 1
    late = early.then([Entity("later", "film", "Later")]).over(BUNDLED)
    assert late.rows[-1] == row
    assert late.membership[-1].sum() == 2


@given(st.integers(0, 1 << 30))
def test_every_replica_comes_to_the_same_catalog(seed: int) -> None:
    """Read one by one, in batches, or compacted: only the last of each key counts."""
    chance = random.Random(seed)
    said: list[Change] = []
    for number in range(chance.randrange(30)):
        name = f"{chance.choice('enx')}{chance.randrange(5)}"
        choices: tuple[Change, ...] = (
            Entity(name, "film", f"{number}"),
            Row(name, "genre", f"{number}"),
            Withdrawal("entity", name),
            Withdrawal("row", name),
        )
        said.append(chance.choice(choices))

    def key(change: Change) -> tuple[bool, str]:
        return (isinstance(change, Row) or getattr(change, "noun", "") == "row"), change.id

    last = {key(change): change for change in said}
    compacted = list(last.values())
    chance.shuffle(compacted)
    one_by_one = CatalogChanges()
    for change in said:
        one_by_one = one_by_one.then([change])
    wanted = one_by_one.over(BUNDLED)
    assert CatalogChanges().then(said).over(BUNDLED) == wanted
    assert CatalogChanges().then(compacted).over(BUNDLED).version == wanted.version
