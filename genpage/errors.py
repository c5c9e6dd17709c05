"""Every error that GenPage raises on purpose, as one tree.

::

    GenPageError
    ├── UsageError            a flag, a setting or a combination of them is wrong     exit 2
    │   └── DeviceError       the device asked for cannot be had here
    ├── InputError            data handed in is wrong                                 422
    │   ├── DatasetError      a data folder breaks the layout
    │   ├── PoisonError       a message on a topic can never be applied
    │   └── RulesError        a rules file breaks its schema
    ├── ArtefactError         a checkpoint or bundle cannot be used
    │   ├── CheckpointError   unreadable, unknown config, other lineage
    │   ├── BundleError       a digest, a shape or a golden page differs
    │   └── ParityError       an export strays past its tolerance
    ├── TrainingError         training diverged
    ├── WrongPagesError       evaluated pages break a rule or are not the model's
    ├── NotFoundError         no such page, member or version                         404
    ├── ConflictError         the thing is in another state than the request needs    409
    ├── OverloadedError       the queue is full; try again later                      429
    └── UnavailableError      a part is away, draining or not ready                   503

A class says how the edges should treat it: ``code`` names it for machines, ``retryable`` tells a
client whether the same request may succeed later, ``http_status`` is its status over HTTP.
"""

from typing import ClassVar


class GenPageError(Exception):
    """The root. Its message is one sentence for a person: what is wrong and what to do."""

    code: ClassVar[str] = "internal"
    retryable: ClassVar[bool] = False
    http_status: ClassVar[int] = 500


class UsageError(GenPageError):
    """A flag or a setting is wrong; the command ends with exit code 2."""

    code = "usage"
    http_status = 400


class DeviceError(UsageError):
    """A device that was asked for lacks a library, a driver or itself; nothing else takes over."""

    code = "device"


class InputError(GenPageError):
    """Data handed in is wrong: which field, why."""

    code = "invalid-input"
    http_status = 422


class DatasetError(InputError):
    """A data folder breaks the layout."""

    code = "invalid-dataset"


class PoisonError(InputError):
    """A message on a topic can never be applied. ``kind`` names why, one of a few, for metrics."""

    code = "poison"

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class RulesError(InputError):
    """A rules file breaks its schema, or names what the catalog lacks."""

    code = "invalid-rules"


class ArtefactError(GenPageError):
    """A checkpoint or bundle cannot be used."""

    code = "invalid-artefact"


class CheckpointError(ArtefactError):
    """A checkpoint is unreadable, of an unknown config or of another vocabulary lineage."""

    code = "invalid-checkpoint"


class BundleError(ArtefactError):
    """A bundle's digest, shape or golden page differs from what its manifest promises."""

    code = "invalid-bundle"


class ParityError(ArtefactError):
    """An export's results stray from PyTorch's by more than the tolerance."""

    code = "parity"


class TrainingError(GenPageError):
    """Training cannot go on. What was saved before it is whole, and nothing was written after."""

    code = "training"


class WrongPagesError(GenPageError):
    """A page breaks a rule, or is not the one that the model gives."""

    code = "wrong-pages"


class NotFoundError(GenPageError):
    """No such page, member or version."""

    code = "not-found"
    http_status = 404


class ConflictError(GenPageError):
    """The thing is in another state than the request needs."""

    code = "conflict"
    http_status = 409


class OverloadedError(GenPageError):
    """The queue is full. ``retry_after_s`` says when to come back (seconds)."""

    code = "overloaded"
    retryable = True
    http_status = 429

    def __init__(self, message: str, *, retry_after_s: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class UnavailableError(GenPageError):
    """A part is away, draining or not ready yet."""

    code = "unavailable"
    retryable = True
    http_status = 503
