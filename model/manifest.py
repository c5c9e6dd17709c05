"""``checkpoint.json``: what a checkpoint is, read with nothing taken on trust."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from genpage.errors import ArtefactError, CheckpointError
from genpage.sources import EVERYTHING, Sources
from model.config import ModelConfig, Size
from model.trained_on import TrainedOn

SCHEMA: Literal[1] = 1
MANIFEST = "checkpoint.json"

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
# A plain name: no folder, nothing hidden.
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")]
Count = Annotated[int, Field(ge=1)]


@dataclass(frozen=True, slots=True)
class Manifest:
    """The document; ``trained_on`` are the first and the last day."""

    __pydantic_config__ = ConfigDict(extra="forbid", strict=True)

    schema: Literal[1]
    version: Annotated[str, Field(min_length=1, max_length=128)]
    parent: str | None
    size: Size | None
    created_at: Annotated[float, Field(allow_inf_nan=False)]
    trained_on: tuple[str, str] | None
    random: bool
    history_tokens: Count
    config: dict[str, Any]  # `ModelConfig.from_document` checks it, key by key
    vocabulary: str
    catalog: str
    parameters: Count
    files: dict[FileName, Digest]
    sources: Sources = EVERYTHING
    serialised: Count | None = None

    @property
    def days(self) -> TrainedOn | None:
        """The days of data that the weights have seen."""
        return None if self.trained_on is None else TrainedOn(*self.trained_on)

    @property
    def shape(self) -> ModelConfig:
        """The network's shape."""
        return ModelConfig.from_document(self.config)

    def to_json(self) -> bytes:
        """The document, as written."""
        document = _ADAPTER.dump_python(self, mode="json")
        return (json.dumps(document, indent=2, sort_keys=True) + "\n").encode()

    @classmethod
    def read(cls, folder: Path) -> "Manifest":
        """A folder's manifest; `CheckpointError` says which key is wrong and why."""
        path = folder / MANIFEST
        if not path.is_file():
            raise CheckpointError(f"{folder} is no checkpoint: it has no {MANIFEST}.")
        try:
            content = path.read_bytes()
            document = json.loads(content)
        except (ValueError, OSError, RecursionError) as error:
            raise CheckpointError(f"{path} is unreadable: {error}; copy it again.") from error
        if not isinstance(document, dict) or document.get("schema") != SCHEMA:
            raise CheckpointError(
                f"{path} is not of schema {SCHEMA}: another version of GenPage wrote it; use that "
                "one."
            )
        try:
            manifest = _ADAPTER.validate_json(content)
            # Tried here, so that whoever holds a manifest can rely on them.
            _ = manifest.days, manifest.shape
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(str(part) for part in first["loc"]) or MANIFEST
            raise CheckpointError(f"{path}: {key}: {first['msg']}.") from error
        except ArtefactError as error:
            raise CheckpointError(f"{path}: {error}") from error
        return manifest


_ADAPTER = TypeAdapter(Manifest)
