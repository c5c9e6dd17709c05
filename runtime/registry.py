"""Which model versions are in memory, and which one pages are made with.

Pure bookkeeping, one owner. A reader takes `active` once and keeps what it got: a page belongs to
one version, and a swap affects only later pages.
"""

from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from genpage.errors import ConflictError, NotFoundError


class Versioned(Protocol):
    """What the registry knows of a model."""

    @property
    def version(self) -> str:
        """Unique to each export."""
        ...

    @property
    def digest(self) -> str:
        """The bundle's digest."""
        ...


Model = TypeVar("Model", bound=Versioned)


@dataclass(frozen=True, slots=True)
class _Versions(Generic[Model]):
    active: Model | None = None
    previous: Model | None = None


class Registry(Generic[Model]):
    """Loaded models by version. Every method but the properties mutates."""

    def __init__(self) -> None:
        self._loaded: dict[str, Model] = {}
        self._versions: _Versions[Model] = _Versions()

    @property
    def active(self) -> Model | None:
        """What new pages are made with; None before there is any."""
        return self._versions.active

    @property
    def previous(self) -> Model | None:
        """What was active before it."""
        return self._versions.previous

    @property
    def loaded(self) -> tuple[Model, ...]:
        """All models in memory, in the order they came."""
        return tuple(self._loaded.values())

    def add(self, model: Model) -> None:
        """A model is in memory; `ConflictError` where another bundle has its version."""
        held = self._loaded.get(model.version)
        if held is not None and held.digest != model.digest:
            raise ConflictError(
                f"version {model.version} is loaded already, from a bundle of another digest."
            )
        self._loaded[model.version] = model

    def activate(self, version: str) -> Model:
        """Make new pages with a loaded version; nothing happens where it is active already."""
        model = self._loaded.get(version)
        if model is None:
            raise NotFoundError(f"version {version} is not loaded.")
        before = self._versions.active
        if before is None or before.version != version:
            self._versions = _Versions(active=model, previous=before)
        return model
