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


def test_a_rollback_is_the_way_back_and_forth(registry: Registry[Model]) -> None:
    """It swaps the two; with nothing before there is nothing to do."""
    with pytest.raises(ConflictError, match="no earlier version"):
        registry.rollback()
    registry.activate("b")
    assert registry.rollback().version == "a"
    assert versions(registry) == ("a", "b")
    assert registry.rollback().version == "b"


def test_a_trial_takes_the_members_it_says(registry: Registry[Model]) -> None:
    """The active version is everybody else's; promotion or an end is for all."""
    registry.try_out("b", lambda user: user == "u1")

    def serving(*users: str) -> list[str]:
        return [model.version for user in users if (model := registry.for_member(user))]

    assert serving("u1", "u2") == ["b", "a"]
    assert registry.on_trial is registry.find("b")
    registry.end_trial()
    assert serving("u1", "u2") == ["a", "a"]
    registry.try_out("b", lambda user: user == "u1")
    registry.activate("b")
    assert serving("u1", "u2") == ["b", "b"]
    assert registry.on_trial is None


def test_activating_the_active_version_ends_a_trial(registry: Registry[Model]) -> None:
    """Whoever asks for it means it for everybody."""
    registry.try_out("b", lambda _: True)
    registry.activate("a")
    assert registry.on_trial is None
    assert versions(registry) == ("a", None)


def test_a_newer_snapshot_takes_its_versions_place(registry: Registry[Model]) -> None:
    """As active, as previous, on trial; one that is not loaded has none."""
    registry.activate("b")
    registry.try_out("c", lambda _: True)
    newer = {version: Model(version) for version in "abc"}
    for model in newer.values():
        registry.replace(model)
    assert registry.active is newer["b"]
    assert registry.previous is newer["a"]
    assert registry.on_trial is newer["c"]
    assert registry.for_member("u") is newer["c"]
    assert set(registry.loaded) == set(newer.values())
    with pytest.raises(NotFoundError):
        registry.replace(Model("x"))


def test_only_what_is_needed_stays(registry: Registry[Model]) -> None:
    """Active, previous, on trial, and what is named."""
    registry.add(Model("d"))
    registry.activate("b")
    registry.try_out("c", lambda _: False)
    assert [model.version for model in registry.retain()] == ["d"]
    registry.end_trial()
    assert registry.retain(["c"]) == []
    assert [model.version for model in registry.retain()] == ["c"]
    assert [model.version for model in registry.loaded] == ["a", "b"]


def test_a_restart_brings_the_earlier_version_back(registry: Registry[Model]) -> None:
    """So that a rollback is there at once."""
    registry.remember("c")
    assert versions(registry) == ("a", "c")


def test_a_newer_snapshot_takes_the_place_of_its_version(registry: Registry[Model]) -> None:
    """Active or previous, in one assignment; the other versions stay."""
    registry.activate("b")
    newer = {version: Model(version) for version in "abc"}
    for version, model in newer.items():
        registry.replace(model)
        assert registry.loaded[ord(version) - ord("a")] is model
    assert (registry.active, registry.previous) == (newer["b"], newer["a"])


def test_a_snapshot_of_what_is_not_loaded_is_refused(registry: Registry[Model]) -> None:
    """It went while the snapshot was built."""
    with pytest.raises(NotFoundError):
        registry.replace(Model("z"))
    assert versions(registry) == ("a", None)
