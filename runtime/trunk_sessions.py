"""A trunk's sessions: the exported graph checked, rewritten and loaded, once a number of lanes."""

from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Final

import onnx

from genpage.errors import BundleError
from runtime.heap import give_back
from runtime.lanes import laned
from runtime.packing import packing_folder
from runtime.sessions import TYPES, Session, SessionSettings, write_packed
from runtime.signature import Port, Signature
from runtime.trimmed import trimmed

_NAMES: Final = {code: name for name, (code, _) in TYPES.items()}


def trunk_sessions(
    trunk: Path,
    signature: Signature,
    settings: SessionSettings,
    lanes: Sequence[int],
    packed: Path | None,
) -> dict[int, Session]:
    """A session for each number of lanes; several of them share one file of packed weights.

    The file is nobody else's and has no name any more once all have mapped it. Packing is for this
    processor: sessions of a device take the exported weights, each a copy of its own. Raises
    `BundleError` where the graph is not of this signature.
    """
    exported = onnx.load(trunk, load_external_data=False)
    _check(trunk, exported.graph, signature)
    if tuple(lanes) == (1,) or not settings.device.in_place:
        return _of_lanes(exported, trunk.parent, settings, lanes)
    try:
        with packing_folder(packed) as held:
            return _mapped(write_packed(trunk, settings, held), settings, lanes)
    except OSError as error:
        raise BundleError(
            f"the packed weights of {trunk} cannot be written: {error}; twice its size must be "
            "free in --state-dir, or without one in TMPDIR."
        ) from error


def _check(trunk: Path, graph: onnx.GraphProto, signature: Signature) -> None:
    held = [_port(value) for value in (*graph.input, *graph.output)]
    told = (*signature.inputs, *signature.outputs)
    for port, expected in zip_longest(held, told):
        if port != expected:
            name = (port or expected).name
            raise BundleError(f"{trunk}: {name} is not what the manifest says; export again.")


def _port(value: onnx.ValueInfoProto) -> Port:
    tensor = value.type.tensor_type
    dtype = _NAMES.get(tensor.elem_type, f"type {tensor.elem_type}")
    return Port(value.name, dtype, tuple(d.dim_param or d.dim_value for d in tensor.shape.dim))


def _mapped(packed: Path, settings: SessionSettings, lanes: Sequence[int]) -> dict[int, Session]:
    # What packed them is over, and its memory would lie under what comes next.
    give_back()
    graph = onnx.load(packed, load_external_data=False)
    return _of_lanes(graph, packed.parent, settings, lanes)


def _of_lanes(
    graph: onnx.ModelProto, weights: Path, settings: SessionSettings, lanes: Sequence[int]
) -> dict[int, Session]:
    """Sessions of a graph, whose weights stay in the files of a folder."""
    short = trimmed(graph)
    sources = {n: short if n == 1 else laned(short, n) for n in sorted({1, *lanes})}
    return {
        n: Session(source.SerializeToString(), settings, weights=weights)
        for n, source in sources.items()
    }
