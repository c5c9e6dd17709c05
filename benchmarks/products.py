"""How fast this machine multiplies matrices: what a trunk's products cannot go beyond.

Float32 at the rate of NumPy's product, int8 at that of onnxruntime's, both of 1,024 x 1,024
matrices that stay in the caches. Where a processor has instructions for integers (VNNI, AMX) the
second is several times the first, where it has none not much above it.
"""

import os
import time
from collections.abc import Callable
from typing import Final

import numpy as np
from onnx import TensorProto, helper, numpy_helper
from threadpoolctl import threadpool_limits

from runtime.manifest import Precision
from runtime.pack import IR_VERSION, OPSET
from runtime.sessions import Session, SessionSettings

_SIZE: Final = 1024
_ZERO_POINT: Final = np.uint8(128)


def once_ms(work: Callable[[], object]) -> float:
    """One run, in milliseconds."""
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) * 1e3


def rate(precision: Precision, settings: SessionSettings, rounds: int) -> float:
    """Multiply-adds a second on the settings' threads, the best of several rounds."""
    work = _integer(settings) if precision == "int8" else _plain()
    with threadpool_limits(settings.threads or os.cpu_count(), user_api="blas"):
        return _SIZE**3 / min(once_ms(work) for _ in range(3 * rounds)) * 1e3


def _plain() -> Callable[[], object]:
    square = np.ones((_SIZE, _SIZE), np.float32)
    return lambda: square @ square


def _integer(settings: SessionSettings) -> Callable[[], object]:
    """The integer product inside of an int8 trunk's, its weights packed once."""
    weights = np.ones((_SIZE, _SIZE), np.int8)
    graph = helper.make_graph(
        [helper.make_node("MatMulInteger", ["x", "w", "zero"], ["y"])],
        "product",
        [helper.make_tensor_value_info("x", TensorProto.UINT8, [_SIZE, _SIZE])],
        [helper.make_tensor_value_info("y", TensorProto.INT32, [_SIZE, _SIZE])],
        [
            numpy_helper.from_array(weights, "w"),
            numpy_helper.from_array(np.asarray(_ZERO_POINT), "zero"),
        ],
    )
    opsets = [helper.make_opsetid("", OPSET)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)
    binding = Session(model.SerializeToString(), settings).bind()
    binding.input("x", np.ones((_SIZE, _SIZE), np.uint8))
    binding.output("y", np.empty((_SIZE, _SIZE), np.int32))
    return binding.run
