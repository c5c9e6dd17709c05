"""A bundle that is not exactly what was exported is refused, with one clear message."""

import hashlib
import json
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import onnx
import pytest
from forgery import Document, copied, cover_up, edit

from genpage.errors import BundleError
from runtime.bundle import Bundle
from runtime.model import LoadedModel, LoadSettings
from runtime.sessions import SessionSettings

ONE = LoadSettings(slots=1, session=SessionSettings(1))
FILES = (
    "trunk.onnx",
    "trunk.onnx.data",
    "inputs.rows.npy",
    "outputs.gate_bias.npy",
    "encoder.width.npy",
    "trends.npy",
    "vocabulary.json",
    "catalog.json",
    "rules.toml",
    "golden.json",
)


def refused(bundle: Path) -> str:
    """The one line that loading ends with."""
    with pytest.raises(BundleError) as caught:
        LoadedModel.load(bundle, ONE)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_a_whole_bundle_opens(int8_bundle: Path) -> None:
    """Its digest is the sha256 of its manifest, and its parts agree with it."""
    bundle = Bundle.open(int8_bundle)
    content = (int8_bundle / "manifest.json").read_bytes()
    assert bundle.digest == hashlib.sha256(content).hexdigest()
    assert bundle.manifest.entities == len(bundle.contents.catalog.entities)
    listed = set(bundle.manifest.files) | {"manifest.json"}
    assert listed == {path.name for path in int8_bundle.iterdir()}
    assert set(FILES) < listed


@pytest.mark.parametrize("name", FILES)
def test_a_flipped_byte_is_noticed(int8_bundle: Path, tmp_path: Path, name: str) -> None:
    """In any file, in its middle."""
    bundle = copied(int8_bundle, tmp_path)
    content = bytearray((bundle / name).read_bytes())
    content[len(content) // 2] ^= 1
    (bundle / name).write_bytes(content)
    assert f"{name} differs from its digest" in refused(bundle)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(int8_bundle: Path, tmp_path: Path, name: str) -> None:
    """Whichever it is."""
    bundle = copied(int8_bundle, tmp_path)
    (bundle / name).unlink()
    assert f"{name} is missing" in refused(bundle)


@pytest.mark.parametrize("name", FILES)
def test_a_truncated_file_is_named(int8_bundle: Path, tmp_path: Path, name: str) -> None:
    """By its size, before it is read."""
    bundle = copied(int8_bundle, tmp_path)
    content = (bundle / name).read_bytes()
    (bundle / name).write_bytes(content[:-1])
    assert f"{name} has {len(content) - 1} bytes" in refused(bundle)


def test_a_link_out_of_the_folder_is_refused(int8_bundle: Path, tmp_path: Path) -> None:
    """Even to the very same content."""
    bundle = copied(int8_bundle, tmp_path)
    outside = tmp_path / "outside"
    (bundle / "rules.toml").rename(outside)
    (bundle / "rules.toml").symlink_to(outside)
    assert "rules.toml is a link" in refused(bundle)


def test_a_folder_without_a_manifest_is_no_bundle(tmp_path: Path) -> None:
    """Nor is a path where nothing is."""
    assert "is no bundle" in refused(tmp_path)
    assert "is no bundle" in refused(tmp_path / "nowhere")


def _set(*keys: str, value: object) -> Callable[[Document], None]:
    def change(document: Document) -> None:
        for key in keys[:-1]:
            document = document[key]
        document[keys[-1]] = value

    return change


def _without(name: str) -> Callable[[Document], None]:
    def change(document: Document) -> None:
        del document["files"][name]

    return change


def _escape(document: Document) -> None:
    document["files"]["../rules.toml"] = document["files"].pop("rules.toml")


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (_set("schema", value=99), "schema"),
        (_set("surprise", value=1), "surprise"),
        (_set("trunk", "width", value=10**12), "trunk.width"),
        (_set("trunk", "capacity", value=10**9), "trunk.capacity"),
        (_set("trunk", "layers", value=3), "inputs and outputs are not a trunk's"),
        (_set("trunk", "kv_heads", value=4), "inputs and outputs are not a trunk's"),
        (_set("vocabulary_size", value=10**6), "inputs.rows.npy holds float32"),
        (_set("entities", value=60), "trends.npy holds float32"),
        (_set("catalog", value="another"), "catalog is"),
        (_set("precision", value="fp8"), "precision"),
        (_set("precision", value="fp16"), "inputs and outputs are not a trunk's"),
        (_set("files", "rules.toml", "sha256", value="short"), "files.rules.toml.sha256"),
        (_set("files", "rules.toml", "bytes", value=-1), "files.rules.toml.bytes"),
        (_set("gate", "tie_margin", value=-1.0), "gate.tie_margin"),
        (_escape, "files.../rules.toml"),
    ],
)
def test_a_manifest_that_cannot_be_is_refused(
    int8_bundle: Path, tmp_path: Path, change: Callable[[Document], None], complaint: str
) -> None:
    """The message names the key, or what contradicts it."""
    bundle = copied(int8_bundle, tmp_path)
    edit(bundle / "manifest.json", change)
    assert complaint in refused(bundle)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b'{"schema": 1}'])
def test_a_manifest_that_is_no_manifest_is_refused(
    int8_bundle: Path, tmp_path: Path, content: bytes
) -> None:
    """Whatever it is."""
    bundle = copied(int8_bundle, tmp_path)
    (bundle / "manifest.json").write_bytes(content)
    assert "export the checkpoint again" in refused(bundle)


def test_a_manifest_of_absurd_size_is_not_read(int8_bundle: Path, tmp_path: Path) -> None:
    """It stops at a bound."""
    bundle = copied(int8_bundle, tmp_path)
    with (bundle / "manifest.json").open("ab") as file:
        file.truncate(1 << 34)  # sparse: takes no disk
    assert "it is no manifest" in refused(bundle)


def test_a_file_left_out_of_the_manifest_is_missed(int8_bundle: Path, tmp_path: Path) -> None:
    """What the manifest does not vouch for is not read."""
    for name in FILES:
        bundle = copied(int8_bundle, tmp_path / name)
        edit(bundle / "manifest.json", _without(name))
        message = refused(bundle)
        assert name in message or "content encoder" in message


def test_an_array_that_promises_more_than_it_holds_is_refused(
    int8_bundle: Path, tmp_path: Path
) -> None:
    """Before memory is taken for what its header says."""
    bundle = copied(int8_bundle, tmp_path)
    header = BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f4", "fortran_order": False, "shape": (1 << 40, 64)}
    )
    (bundle / "inputs.rows.npy").write_bytes(header.getvalue())
    cover_up(bundle)
    assert "of another size than its own header" in refused(bundle)


def test_a_pickled_array_is_refused(int8_bundle: Path, tmp_path: Path) -> None:
    """Nothing in a bundle can run code."""
    bundle = copied(int8_bundle, tmp_path)
    np.save(bundle / "trends.npy", np.array([{"a": 1}], object), allow_pickle=True)
    cover_up(bundle)
    assert "trends.npy" in refused(bundle)


def test_no_array_at_all_is_refused(int8_bundle: Path, tmp_path: Path) -> None:
    """Text in the place of an array."""
    bundle = copied(int8_bundle, tmp_path)
    (bundle / "trends.npy").write_text("no array", "utf-8")
    cover_up(bundle)
    assert "trends.npy is no array" in refused(bundle)


def test_a_graph_that_reads_elsewhere_is_refused(int8_bundle: Path, tmp_path: Path) -> None:
    """Its weights are its own file, not one of the machine's."""
    bundle = copied(int8_bundle, tmp_path)
    path = bundle / "trunk.onnx"
    model = onnx.load(path, load_external_data=False)
    held = next(tensor for tensor in model.graph.initializer if tensor.external_data)
    next(e for e in held.external_data if e.key == "location").value = "/etc/hostname"
    path.write_bytes(model.SerializeToString())
    cover_up(bundle)
    assert "reads its weights from '/etc/hostname'" in refused(bundle)


def _elsewhere() -> onnx.TensorProto:
    """A tensor whose values are in one of the machine's files."""
    tensor = onnx.TensorProto(name="stolen", data_type=onnx.TensorProto.UINT8, dims=[4])
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/hostname")
    return tensor


def _in_a_constant(graph: onnx.GraphProto) -> None:
    graph.node.append(onnx.helper.make_node("Constant", [], ["stolen"], value=_elsewhere()))


def _in_a_branch(graph: onnx.GraphProto) -> None:
    inner = onnx.helper.make_graph([], "inner", [], [], [_elsewhere()])
    deeper = onnx.helper.make_node("If", ["c"], ["x"], then_branch=inner)
    outer = onnx.helper.make_graph([deeper], "outer", [], [])
    graph.node.append(onnx.helper.make_node("If", ["c"], ["y"], else_branch=outer))


def _in_a_sparse_one(graph: onnx.GraphProto) -> None:
    graph.sparse_initializer.add().values.CopyFrom(_elsewhere())


@pytest.mark.parametrize("hide", [_in_a_constant, _in_a_branch, _in_a_sparse_one])
def test_no_corner_of_a_graph_reads_elsewhere(
    hide: Callable[[onnx.GraphProto], None], int8_bundle: Path, tmp_path: Path
) -> None:
    """Constants, subgraphs and sparse tensors are looked into as initializers are."""
    bundle = copied(int8_bundle, tmp_path)
    path = bundle / "trunk.onnx"
    model = onnx.load(path, load_external_data=False)
    hide(model.graph)
    path.write_bytes(model.SerializeToString())
    cover_up(bundle)
    assert "reads its weights from '/etc/hostname'" in refused(bundle)


def test_no_graph_at_all_is_refused(int8_bundle: Path, tmp_path: Path) -> None:
    """Bytes that are no protobuf."""
    bundle = copied(int8_bundle, tmp_path)
    (bundle / "trunk.onnx").write_bytes(b"\xff" * 100)
    cover_up(bundle)
    assert "is no ONNX graph" in refused(bundle)


def test_a_graph_of_another_shape_is_refused(int8_bundle: Path, tmp_path: Path) -> None:
    """What onnxruntime finds in the graph must be what the manifest says."""
    bundle = copied(int8_bundle, tmp_path)
    path = bundle / "trunk.onnx"
    model = onnx.load(path, load_external_data=False)
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_param = "words"
    path.write_bytes(model.SerializeToString())
    cover_up(bundle)
    assert "embeddings is not what the manifest says" in refused(bundle)


def test_the_digest_asked_for_must_be_the_bundles(int8_bundle: Path) -> None:
    """An announcement names the bundle by its digest."""
    digest = Bundle.open(int8_bundle).digest
    assert LoadedModel.load(int8_bundle, ONE, digest=digest).digest == digest
    with pytest.raises(BundleError, match="as asked"):
        LoadedModel.load(int8_bundle, ONE, digest="0" * 64)


def test_other_rules_in_the_bundle_must_parse(int8_bundle: Path, tmp_path: Path) -> None:
    """A nested error becomes the bundle's."""
    bundle = copied(int8_bundle, tmp_path)
    (bundle / "rules.toml").write_text("schema = 1\nsurprise = 1\n", "utf-8")
    cover_up(bundle)
    assert "surprise" in refused(bundle)


def test_the_manifest_is_written_as_it_is_read(int8_bundle: Path) -> None:
    """Nothing is lost between the two."""
    content = (int8_bundle / "manifest.json").read_bytes()
    assert Bundle.open(int8_bundle).manifest.to_json() == content
    assert json.loads(content)["made_with"]["onnxruntime"]
