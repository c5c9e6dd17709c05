"""The registry: which version is active, and the way back."""

from dataclasses import dataclass

import pytest

from genpage.errors import ConflictError, NotFoundError
from runtime.registry import Registry


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """A version without a model."""

    version: str
    digest: str = "d"


@pytest.fixture
def registry() -> Registry[Model]:
    """Versions a, b and c, a active."""
    registry = Registry[Model]()
    for version in "abc":
        registry.add(Model(version))
    registry.activate("a")
    return registry


def versions(registry: Registry[Model]) -> tuple[str | None, str | None]:
    """(active, previous)."""
    active, previous = registry.active, registry.previous
    return active.version if active else None, previous.version if previous else None


def test_nothing_is_active_at_first() -> None:
    """Nor loaded."""
    registry = Registry[Model]()
    assert versions(registry) == (None, None)
    assert registry.loaded == ()


def test_a_swap_remembers_what_was_active(registry: Registry[Model]) -> None:
    """Activating the active version again changes nothing."""
    registry.activate("b")
    assert versions(registry) == ("b", "a")
    registry.activate("b")
    assert versions(registry) == ("b", "a")
    assert [model.version for model in registry.loaded] == ["a", "b", "c"]


def test_a_rollback_goes_to_the_previous_version(registry: Registry[Model]) -> None:
    """And a second one returns."""
    registry.activate("b")
    registry.rollback()
    assert versions(registry) == ("a", "b")
    registry.rollback()
    assert versions(registry) == ("b", "a")


def test_there_may_be_nothing_to_go_back_to(registry: Registry[Model]) -> None:
    """That is a conflict, and nothing changes."""
    with pytest.raises(ConflictError, match="no previous version"):
        registry.rollback()
    assert versions(registry) == ("a", None)


def test_only_a_loaded_version_can_be_active(registry: Registry[Model]) -> None:
    """Another one is not found."""
    with pytest.raises(NotFoundError, match="version x is not loaded"):
        registry.activate("x")


def test_a_version_belongs_to_one_bundle(registry: Registry[Model]) -> None:
    """The same bundle may come again, another one under its version may not."""
    registry.add(Model("a"))
    with pytest.raises(ConflictError, match="another digest"):
        registry.add(Model("a", digest="other"))


def test_a_new_snapshot_takes_the_active_ones_place(registry: Registry[Model]) -> None:
    """The version stays, and what was active before it stays previous."""
    registry.activate("b")
    renewed = Model("b")
    registry.renew(renewed)
    assert registry.active is renewed
    assert versions(registry) == ("b", "a")
    with pytest.raises(ConflictError, match="not the active one"):
        registry.renew(Model("a"))


def test_the_active_version_cannot_be_removed(registry: Registry[Model]) -> None:
    """Others can; the previous one takes the way back with it."""
    registry.activate("b")
    with pytest.raises(ConflictError, match="is active"):
        registry.remove("b")
    registry.remove("a")
    assert versions(registry) == ("b", None)
    with pytest.raises(NotFoundError):
        registry.remove("a")
