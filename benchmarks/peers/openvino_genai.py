"""OpenVINO GenAI, int8 weights, plain: nothing chooses among its logits.

It takes grammars over text and no mask for a token, so its pages break the rules: it decodes as
many tokens as a page has, whichever it likes best. The rules would cost it more.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Self

import openvino
import openvino_genai as ov
from openvino_tokenizers import convert_tokenizer
from optimum.intel import OVModelForCausalLM, OVWeightQuantizationConfig
from transformers import AutoTokenizer

from benchmarks.peers.peer import Batched, Decoded, Stopwatch
from benchmarks.peers.task import PageTask

_CACHE_GB = 1


class OpenVinoGenAI:
    """Paged KV and continuous batching, one pipeline with a prefix cache and one without."""

    name: ClassVar[str] = "OpenVINO GenAI"
    package: ClassVar[str] = "openvino_genai"
    precision: ClassVar[str] = "int8 weights"
    valid: ClassVar[bool] = False

    @classmethod
    def prepare(cls, llama: Path, folder: Path) -> None:
        """Convert and quantise by Optimum."""
        int8 = OVWeightQuantizationConfig(bits=8, sym=True)
        model = OVModelForCausalLM.from_pretrained(llama, export=True, quantization_config=int8)
        model.save_pretrained(folder)
        # Nothing is put into words; the pipeline insists on being able to.
        words = convert_tokenizer(AutoTokenizer.from_pretrained(llama), with_detokenizer=True)
        for name, graph in zip(("tokenizer", "detokenizer"), words, strict=True):
            openvino.save_model(graph, folder / f"openvino_{name}.xml")

    @classmethod
    def load(cls, folder: Path, threads: int) -> Self:
        """Load the weights, for each pipeline."""
        return cls(folder, threads)

    def __init__(self, folder: Path, threads: int) -> None:
        self._cold = self._pipeline(folder, threads, caching=False)
        self._warm = self._pipeline(folder, threads, caching=True)

    def page(self, task: PageTask, *, warm: bool) -> Decoded:
        """A batch of one."""
        if warm:
            return self._decoded([task], warm=True)[0]
        page = self._decoded([task], warm=False)[0]
        self._decoded([task], warm=True)  # not timed: the next page finds this one's KV
        return page

    def batch(self, tasks: Sequence[PageTask], *, warm: bool) -> Batched | None:
        """All requests at once."""
        pages = self._decoded(tasks, warm=warm)
        if not warm:
            self._decoded(tasks, warm=True)
        tokens = sum(len(page.tokens) for page in pages)
        return Batched(len(tasks), tokens, pages[0].seconds, pages[0].cpu_s)

    def _pipeline(
        self, folder: Path, threads: int, *, caching: bool
    ) -> "ov.ContinuousBatchingPipeline":
        scheduler = ov.SchedulerConfig()
        scheduler.cache_size = _CACHE_GB
        scheduler.enable_prefix_caching = caching
        settings = {"INFERENCE_NUM_THREADS": threads}
        return ov.ContinuousBatchingPipeline(folder, scheduler, "CPU", settings)

    def _decoded(self, tasks: Sequence[PageTask], *, warm: bool) -> list[Decoded]:
        config = ov.GenerationConfig()
        config.max_new_tokens = config.min_new_tokens = tasks[0].tokens
        config.ignore_eos = True
        config.do_sample = False
        prompts = [openvino.Tensor(task.prompt[None].astype("int64")) for task in tasks]
        pipeline = self._warm if warm else self._cold
        watch = Stopwatch()
        pages = pipeline.generate(prompts, [config] * len(prompts))
        seconds, cpu_s = watch.seconds, watch.cpu_s
        return [Decoded(tuple(page.m_generation_ids[0]), seconds, cpu_s) for page in pages]
