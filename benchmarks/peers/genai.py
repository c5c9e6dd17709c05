"""onnxruntime-genai, int8, in its two ways to hold int8 weights on a CPU.

*blocks*: what its own builder makes of ``-p int8``: blocks of 32 weights with a scale each,
products in int8. *dynamic*: its float32 graph through onnxruntime's ``quantize_dynamic``, a scale
for each output. Which one is faster depends on the processor and on the length of the prompt.

Its grammars speak text, so the page's rules choose by the logits that it hands out.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import onnxruntime_genai as og
from onnxruntime.quantization import QuantType, quantize_dynamic

from benchmarks.peers.fed import FedPeer
from benchmarks.peers.task import FloatArray, IntArray

_CONTEXT = 1024


def _build(llama: Path, folder: Path, precision: str, *options: str) -> None:
    builder = [sys.executable, "-m", "onnxruntime_genai.models.builder", "-e", "cpu"]
    places = ["-i", str(llama), "-o", str(folder), "-c", str(folder / "cache"), "-p", precision]
    more = ["--extra_options", "prune_lm_head=true", *options]
    subprocess.run([*builder, *places, *more], check=True, stdout=sys.stderr)  # noqa: S603 - ours
    shutil.rmtree(folder / "cache", ignore_errors=True)


class _GenAI(FedPeer):
    """One generator at a time."""

    package: ClassVar[str] = "onnxruntime_genai"
    valid: ClassVar[bool] = True

    @classmethod
    def load(cls, folder: Path, threads: int) -> Self:
        """Load the weights."""
        return cls(folder, threads)

    def __init__(self, folder: Path, threads: int) -> None:
        super().__init__()
        config = og.Config(str(folder))
        options = {"model": {"decoder": {"session_options": {"intra_op_num_threads": threads}}}}
        config.overlay(json.dumps(options))
        self._model = og.Model(config)
        self._generator = self._fresh(1)
        self._sequences, self._begun = 1, False

    @property
    def rewinds_batches(self) -> bool:
        """Only a single sequence can be cut."""
        return False

    def rewind(self, kept: Sequence[int]) -> None:
        """Cut the sequence, or begin anew."""
        if len(kept) == self._sequences == 1 and kept[0]:
            self._generator.rewind_to(kept[0])
            return
        self._generator = self._fresh(len(kept))
        self._sequences, self._begun = len(kept), False

    def feed(self, chunks: Sequence[IntArray]) -> Sequence[FloatArray]:
        """Append; several sequences take tokens once, and then what alone has a finite logit."""
        if self._sequences == 1:
            self._generator.append_tokens(chunks[0])
        elif not self._begun:
            self._generator.append_tokens(np.stack(chunks))
        else:
            chosen = np.full_like(self._logits, -np.inf)
            for place, chunk in enumerate(chunks):
                chosen[place, :, chunk[0]] = 0.0
            self._generator.set_logits(chosen)
            self._generator.generate_next_token()
        self._begun = True
        self._logits: FloatArray = self._generator.get_logits()  # (B, 1, V)
        return list(self._logits[:, -1])

    def _fresh(self, sequences: int) -> "og.Generator":
        settings = og.GeneratorParams(self._model)
        settings.set_search_options(max_length=_CONTEXT, batch_size=sequences, do_sample=False)
        return og.Generator(self._model, settings)


class GenAIBlocks(_GenAI):
    """As its builder quantises."""

    name: ClassVar[str] = "onnxruntime-genai, blocks"
    precision: ClassVar[str] = "int8 (blocks of 32)"

    @classmethod
    def prepare(cls, llama: Path, folder: Path) -> None:
        """Run its builder."""
        _build(llama, folder, "int8", "accuracy_level=4", "block_size=32")


class GenAIDynamic(_GenAI):
    """As onnxruntime quantises."""

    name: ClassVar[str] = "onnxruntime-genai, dynamic"
    precision: ClassVar[str] = "int8 (an output each)"

    @classmethod
    def prepare(cls, llama: Path, folder: Path) -> None:
        """Run its builder, then quantise what it wrote, with 7 bits: any x86 multiplies those."""
        whole = folder / "fp32"
        _build(llama, whole, "fp32")
        for path in whole.iterdir():
            if not path.name.startswith("model.onnx"):
                shutil.move(path, folder / path.name)
        quantize_dynamic(
            whole / "model.onnx",
            folder / "model.onnx",
            op_types_to_quantize=["MatMul"],
            per_channel=True,
            reduce_range=True,
            weight_type=QuantType.QInt8,
            use_external_data_format=True,
        )
        shutil.rmtree(whole)
