"""Hugging Face's ``generate`` on PyTorch, float32, with a logits processor.

The processor leaves the one token standing that the page's rules make the best.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Self

import torch
from transformers import AutoModelForCausalLM, DynamicCache, LogitsProcessor, LogitsProcessorList

from benchmarks.peers.peer import Batched, Decoded, Stopwatch
from benchmarks.peers.task import PageTask


class _Rules(LogitsProcessor):  # type: ignore[misc]  # no types
    """Keeps each sequence's walk."""

    def __init__(self, tasks: Sequence[PageTask]) -> None:
        self.walks = [task.walk() for task in tasks]

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:  # noqa: ARG002
        """All but the chosen token are out of the question.  (B, V) -> (B, V)."""
        logits = scores.numpy()
        barred = torch.full_like(scores, -torch.inf)
        for place, walk in enumerate(self.walks):
            barred[place, walk.choose(logits[place])] = 0.0
        return barred


class HuggingFace:
    """`AutoModelForCausalLM` in eager mode."""

    name: ClassVar[str] = "Hugging Face generate"
    package: ClassVar[str] = "transformers"
    precision: ClassVar[str] = "fp32"
    valid: ClassVar[bool] = True

    @classmethod
    def prepare(cls, llama: Path, folder: Path) -> None:
        """It loads the folder as it is."""
        (folder / "model").symlink_to(llama.resolve())

    @classmethod
    def load(cls, folder: Path, threads: int) -> Self:
        """Load the weights."""
        return cls(folder, threads)

    def __init__(self, folder: Path, threads: int) -> None:
        torch.set_num_threads(threads)
        self._model = AutoModelForCausalLM.from_pretrained(folder / "model", dtype=torch.float32)
        self._cache: DynamicCache | None = None
        self._held = torch.zeros(0, dtype=torch.int64)

    def page(self, task: PageTask, *, warm: bool) -> Decoded:
        """One call of ``generate``; warm, its cache is cut to what the prompts share."""
        prompt = torch.from_numpy(task.prompt).long()
        cache = self._kept(prompt) if warm else None
        rules = _Rules([task])
        watch = Stopwatch()
        self._generate(prompt[None], rules, task.tokens, cache or self._fresh())
        seconds, cpu_s = watch.seconds, watch.cpu_s
        self._held = torch.cat([prompt, torch.tensor(rules.walks[0].taken[:-1])])
        return Decoded(rules.walks[0].taken, seconds, cpu_s)

    def batch(self, tasks: Sequence[PageTask], *, warm: bool) -> Batched | None:
        """One call for all."""
        if warm:
            return None
        prompts = torch.stack([torch.from_numpy(task.prompt).long() for task in tasks])
        rules = _Rules(tasks)
        watch = Stopwatch()
        self._generate(prompts, rules, tasks[0].tokens, self._fresh())
        seconds, cpu_s = watch.seconds, watch.cpu_s
        self._cache = None
        return Batched(len(tasks), sum(len(walk.taken) for walk in rules.walks), seconds, cpu_s)

    def _fresh(self) -> DynamicCache:
        self._cache = DynamicCache(config=self._model.config)
        return self._cache

    def _kept(self, prompt: torch.Tensor) -> DynamicCache | None:
        if self._cache is None:
            return None
        length = min(len(self._held), len(prompt) - 1)
        differs = self._held[:length] != prompt[:length]
        self._cache.crop(int(differs.int().argmax()) if bool(differs.any()) else length)
        return self._cache

    @torch.inference_mode()
    def _generate(
        self, prompts: torch.Tensor, rules: _Rules, tokens: int, cache: DynamicCache
    ) -> None:
        self._model.generate(
            prompts,
            attention_mask=torch.ones_like(prompts),
            past_key_values=cache,
            logits_processor=LogitsProcessorList([rules]),
            do_sample=False,
            min_new_tokens=tokens,
            max_new_tokens=tokens,
            eos_token_id=None,
            pad_token_id=0,
        )
