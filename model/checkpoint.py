"""A checkpoint: everything that a trained model is, in one folder.

::

    checkpoint.json         schema, version, parent, size, config, sha256 of every other file
    weights.safetensors     the network's parameters, and the content vectors of the vocabulary
    vocabulary.json         tokens
    catalog.json            the catalog that it was trained on
    encoder.safetensors     the content encoder's arrays
    trends.safetensors      decayed counts at the end of training
    signals.safetensors     which titles go together (`tokenizer.signals`); may be missing
    rules.toml              the page's rules
    ...                     what training adds, metrics.jsonl for one

Loading checks every digest and the config; a folder is written whole or not at all.
"""

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file as load_arrays
from safetensors.numpy import save_file as save_arrays
from safetensors.torch import load_file as load_tensors
from safetensors.torch import save_file as save_tensors

from genpage.catalog import Catalog
from genpage.documents import catalog_from_json, catalog_to_json
from genpage.errors import CheckpointError, GenPageError
from genpage.rules import Rules
from genpage.sources import EVERYTHING, Sources
from genpage.staging import staged
from genpage.trends import Trends
from model.config import ModelConfig, Size
from model.manifest import MANIFEST, SCHEMA, Manifest
from model.network import Network
from model.signals import missing_weights
from model.trained_on import TrainedOn
from tokenizer.prompt import PromptEncoder
from tokenizer.signals import PACES, Signals
from tokenizer.vocabulary import Vocabulary

_CONTENT = "content"
_SIGNALS = "signals.safetensors"
_HASH_CHUNK = 1 << 22


@dataclass(frozen=True, slots=True)
class Lineage:
    """Where a checkpoint comes from.

    ``version`` is unique to each one that is written, ``parent`` the version that training began
    from. ``trained_on`` are the days of data, its parents' included. ``random`` weights were never
    trained, so that their pages mean nothing and gates judge them by logit error alone.
    """

    size: Size | None
    version: str
    parent: str | None = None
    created_at: float = 0.0
    trained_on: TrainedOn | None = None
    random: bool = False

    @classmethod
    def fresh(
        cls,
        size: Size | None,
        *,
        parent: str | None = None,
        trained_on: TrainedOn | None = None,
        random: bool = False,
    ) -> Self:
        """With a new version: the time of writing and eight random hexadecimal digits."""
        now = datetime.now(UTC)
        version = f"{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"
        return cls(size, version, parent, now.timestamp(), trained_on, random)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A model as it lies on disk.

    ``weights`` are `Network.state_dict`'s, ``content`` (V, C) the content vectors by token.
    ``encoder`` holds the content encoder's arrays (`tokenizer.content`), ``history_tokens`` the
    prompt's bound that the weights were trained with, ``sources`` what of the context they read,
    ``serialised`` how many entities of a row are in a sequence (`tokenizer.page`).
    """

    config: ModelConfig
    weights: Mapping[str, torch.Tensor]
    content: torch.Tensor  # (V, C)
    vocabulary: Vocabulary
    catalog: Catalog
    encoder: Mapping[str, NDArray[Any]]
    rules: Rules
    trends: Trends
    lineage: Lineage
    history_tokens: int = 512
    signals: Signals | None = None
    sources: Sources = EVERYTHING
    serialised: int | None = None
    extra: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def random(self) -> bool:
        """Whether the weights were never trained."""
        return self.lineage.random

    @property
    def parameters(self) -> int:
        """Number of trained weights."""
        return self.config.parameters(self.vocabulary.size, self.content.shape[1])

    @property
    def prompts(self) -> PromptEncoder:
        """Encodes prompts as the weights were trained with."""
        return PromptEncoder(
            self.vocabulary,
            history_tokens=self.history_tokens,
            sources=self.sources,
            serialised=self.serialised,
        )

    def network(self) -> Network:
        """A network with these weights, for inference; it owns copies of them."""
        network = Network(self.config, self.vocabulary.size, self.content)
        expected = {name: tuple(value.shape) for name, value in network.state_dict().items()}
        held = {name: tuple(value.shape) for name, value in self.weights.items()}
        if expected != held:
            wrong = sorted(name for name, _ in expected.items() ^ held.items())
            raise CheckpointError(f"the weights do not fit the config: {wrong[0]} differs in shape")
        network.load_state_dict(dict(self.weights))
        network.signals.listen(self.sources)
        return network.eval()

    def save(self, folder: Path) -> None:
        """Write the checkpoint to ``folder``, whole or not at all, replacing what was there."""
        with staged(folder) as unfinished:
            tensors = {name: value.detach().contiguous() for name, value in self.weights.items()}
            save_tensors({**tensors, _CONTENT: self.content}, unfinished / "weights.safetensors")
            save_arrays(dict(self.encoder), unfinished / "encoder.safetensors")
            save_arrays(_trend_arrays(self.trends), unfinished / "trends.safetensors")
            if self.signals is not None:
                save_arrays(self.signals.to_arrays(), unfinished / _SIGNALS)
            for name, content in (
                ("vocabulary.json", self.vocabulary.to_json()),
                ("catalog.json", catalog_to_json(self.catalog)),
                ("rules.toml", self.rules.to_toml().encode()),
                *self.extra.items(),
            ):
                (unfinished / name).write_bytes(content)
            digests = {path.name: file_digest(path) for path in sorted(unfinished.iterdir())}
            (unfinished / MANIFEST).write_bytes(self._manifest(digests).to_json())

    def _manifest(self, digests: Mapping[str, str]) -> Manifest:
        lineage, days = self.lineage, self.lineage.trained_on
        return Manifest(
            schema=SCHEMA,
            version=lineage.version,
            parent=lineage.parent,
            size=lineage.size,
            created_at=lineage.created_at,
            trained_on=None if days is None else (days.first, days.last),
            random=lineage.random,
            history_tokens=self.history_tokens,
            config=dict(self.config.to_document()),
            vocabulary=self.vocabulary.digest,
            catalog=self.catalog.version,
            parameters=self.parameters,
            files=dict(digests),
            sources=self.sources,
            serialised=self.serialised,
        )

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read a checkpoint; `CheckpointError` where a digest, the config or a file is wrong."""
        manifest = Manifest.read(folder)
        if missing := sorted(_OWN_FILES - set(manifest.files)):
            raise CheckpointError(f"{folder / MANIFEST}: files lists no {missing[0]}.")
        _check_digests(folder, manifest.files)
        try:
            weights = load_tensors(folder / "weights.safetensors")
            encoder = load_arrays(folder / "encoder.safetensors")
            trends = _trends(load_arrays(folder / "trends.safetensors"))
            signals = None
            if _SIGNALS in manifest.files:
                signals = Signals.from_arrays(load_arrays(folder / _SIGNALS))
            vocabulary = Vocabulary.from_json((folder / "vocabulary.json").read_bytes())
            catalog = catalog_from_json((folder / "catalog.json").read_bytes())
            rules = Rules.parse((folder / "rules.toml").read_text("utf-8"))
            content = weights.pop(_CONTENT)
            weights |= missing_weights(weights, content.shape[1])
        except (OSError, KeyError, SafetensorError, GenPageError, UnicodeDecodeError) as error:
            raise CheckpointError(f"{folder} is no usable checkpoint: {error}") from error
        return cls(
            config=manifest.shape,
            weights=weights,
            content=content,
            vocabulary=vocabulary,
            catalog=catalog,
            encoder=encoder,
            rules=rules,
            trends=trends,
            signals=signals,
            lineage=Lineage(
                size=manifest.size,
                version=manifest.version,
                parent=manifest.parent,
                created_at=manifest.created_at,
                trained_on=manifest.days,
                random=manifest.random,
            ),
            history_tokens=manifest.history_tokens,
            sources=manifest.sources,
            serialised=manifest.serialised,
            extra={
                name: (folder / name).read_bytes()
                for name in manifest.files
                if name not in _OWN_FILES and name != _SIGNALS
            },
        )


_OWN_FILES = frozenset(
    {
        "weights.safetensors",
        "encoder.safetensors",
        "trends.safetensors",
        "vocabulary.json",
        "catalog.json",
        "rules.toml",
    }
)


def _trend_arrays(trends: Trends) -> dict[str, NDArray[np.float32]]:
    return {"scores": trends.scores} | ({} if trends.paces is None else {"paces": trends.paces})


def _trends(arrays: Mapping[str, NDArray[Any]]) -> Trends:
    scores, paces = np.asarray(arrays["scores"], np.float32), arrays.get("paces")
    if paces is not None and paces.shape != (PACES, len(scores)):
        raise CheckpointError("trends.safetensors: paces are of another version; train it again.")
    return Trends(scores, None if paces is None else np.asarray(paces, np.float32))


def _check_digests(folder: Path, digests: Mapping[str, str]) -> None:
    for name, digest in digests.items():
        path = folder / name
        if not path.is_file():
            raise CheckpointError(f"{folder} is incomplete: {name} is missing; copy it again.")
        if file_digest(path) != digest:
            raise CheckpointError(f"{path} differs from its recorded digest; copy it again.")


def file_digest(path: Path) -> str:
    """The sha256 of a file's content, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_HASH_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
