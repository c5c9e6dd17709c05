"""The registry: which versions are loaded, and which one is active."""

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


def test_only_a_loaded_version_can_be_active(registry: Registry[Model]) -> None:
    """Another one is not found."""
    with pytest.raises(NotFoundError, match="version x is not loaded"):
        registry.activate("x")


def test_a_version_belongs_to_one_bundle(registry: Registry[Model]) -> None:
    """The same bundle may come again, another one under its version may not."""
    registry.add(Model("a"))
    with pytest.raises(ConflictError, match="another digest"):
        registry.add(Model("a", digest="other"))
