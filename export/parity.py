"""How far a bundle is from PyTorch, and whether that is near enough.

The reference is the checkpoint's own network in plain float32 PyTorch without a cache; what is
judged is the exported trunk and head through the engine that will serve them. Logits are compared
at every position of the members' prompts and pages, pages token for token. What counts as near:

- fp32: no logit further off than ``1e-3`` of the logits' spread (at least 1e-3), and no page that
  parts where the two choices lie more than 1e-4 apart.
- int8: a mean logit error below a tenth of the logits' spread. Rounding moves choices, so how many
  pages agree is reported, not judged.
- fp16, bf16: a mean below a hundredth, a twentieth; pages are reported as for int8.
- random weights, any precision: by logits alone. Their pages mean nothing, and none is decoded.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from export.agreement import FP32_TIE_MARGIN, Agreement
from genpage.catalog import Catalog
from genpage.errors import ArtefactError, CheckpointError, ParityError
from genpage.grammar import DecodedRow
from genpage.page import Page, PageRow
from model.appealing import appeal_over
from model.checkpoint import Checkpoint
from model.decode import decode_page
from model.twin import TorchTwin
from runtime.arrays import FloatArray, IntArray
from runtime.cases import Member
from runtime.chunk import Chunk
from runtime.difference import first_difference, gap
from runtime.manifest import Gate, Parity, Precision
from runtime.model import LoadedModel
from runtime.offline import added_to, generate, grammar_of, prompt_of
from tokenizer.appeal import PageAppeal
from tokenizer.page import PageCodec

FP32_TOLERANCE = 1e-3
# Of the logits' spread, for those that are judged by their mean.
MEAN_TOLERANCES: Final[Mapping[Precision, float]] = {"int8": 0.1, "fp16": 0.01, "bf16": 0.05}
_BEST = 20


@dataclass(frozen=True, slots=True)
class Judgement:
    """The report, and the gate that replicas hold the bundle's golden pages to."""

    parity: Parity
    gate: Gate


class Reference:
    """A checkpoint in PyTorch: its twin's logits, and pages by the plain decoder.

    `CheckpointError` where it is asked for the pages of another checkpoint's bundle.
    """

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.twin = TorchTwin(checkpoint)
        self._appeal = appeal_over(checkpoint, checkpoint.catalog)

    def page(self, model: LoadedModel, member: Member) -> Page:
        """The member's page; ``model`` tells the prompt and the rules, not one score."""
        exported, own = model.manifest.checkpoint, self.twin.checkpoint.lineage.version
        if exported != own:
            raise CheckpointError(
                f"the bundle was exported from the checkpoint {exported}, this one is {own}; "
                "compare it with its own."
            )
        rows = decode_page(
            self.twin,
            prompt_of(model, member.context, member.request).tokens,
            grammar_of(model, member.context, member.request),
            row_tokens=model.row_tokens,
            entity_tokens=model.entity_tokens,
            rows=member.request.rows,
            autoregressive=member.autoregressive,
            serialised=model.serialised,
            appeal=self._of(model, member),
        )
        return Page(tuple(_ids(row, model.catalog) for row in rows))

    def gap(self, model: LoadedModel, member: Member, expected: Page, given: Page) -> float | None:
        """How far apart PyTorch holds the first two choices that differ; None for equal pages."""
        parted = first_difference(
            expected,
            given,
            model.catalog,
            autoregressive=member.autoregressive,
            serialised=model.serialised,
        )
        if parted is None:
            return None
        prompt = prompt_of(model, member.context, member.request).tokens
        codec = PageCodec(model.vocabulary, model.serialised)
        added = added_to(model, member, self._of(model, member))
        return gap(parted, expected, prompt, codec.encode, self.twin.scores, added)

    def _of(self, model: LoadedModel, member: Member) -> PageAppeal | None:
        """By the checkpoint's own weights."""
        if self._appeal is None:
            return None
        return self._appeal.page(member.context, member.request, model.trends)


def _ids(row: DecodedRow, catalog: Catalog) -> PageRow:
    entities = tuple(catalog.entities[entity].id for entity in row.entities)
    return PageRow(catalog.rows[row.row].id, entities)


def judge(
    reference: Reference,
    model: LoadedModel,
    members: Sequence[Member],
    *,
    random: bool,
    done: Callable[[float], None] = lambda _: None,
) -> Judgement:
    """Compare, and raise `ParityError` past the tolerance. ``done`` is told the share judged."""
    try:
        logits, pages = _compare(reference, model, members, random=random, done=done)
    except ArtefactError as error:
        raise ParityError(f"the exported model cannot be judged: {error}") from error
    gate = _gate(model.manifest.precision, logits)
    judgement = Judgement(_report(logits, pages, gate), gate)
    _refuse(judgement, pages, model.manifest.precision)
    return judgement


def _compare(
    reference: Reference,
    model: LoadedModel,
    members: Sequence[Member],
    *,
    random: bool,
    done: Callable[[float], None],
) -> "tuple[_Logits, Agreement]":
    logits, pages = _Logits(), Agreement()
    codec = PageCodec(model.vocabulary, model.serialised)
    given_pages = generate(model, members)
    for number, (member, given) in enumerate(zip(members, given_pages, strict=True)):
        # Decoding without a cache takes minutes for a large model: only pages that mean something.
        expected = given if random else reference.page(model, member)
        prompt = prompt_of(model, member.context, member.request).tokens
        tokens = np.concatenate([prompt, codec.encode(expected)]).astype(np.int32)
        logits.add(reference.twin.logits(tokens), _served_logits(model, tokens))
        if not random:
            pages.add(expected, given, reference.gap(model, member, expected, given))
        done((number + 1) / len(members))
    return logits, pages


def _served_logits(model: LoadedModel, tokens: IntArray) -> FloatArray:
    hidden = model.backend.forward([Chunk(0, 0, tokens, scored=len(tokens))])[0]
    return model.head.scores(hidden)


class _Logits:
    """Sums over positions and items."""

    def __init__(self) -> None:
        self.positions = self.values = 0
        self.total = self.squares = self.errors = self.largest = 0.0
        self.top1 = self.top20 = 0.0

    def add(self, expected: FloatArray, given: FloatArray) -> None:
        errors = np.abs(expected - given)
        self.positions += len(expected)
        self.values += expected.size
        self.total += float(expected.sum(dtype=np.float64))
        self.squares += float(np.square(expected, dtype=np.float64).sum())
        self.errors += float(errors.sum(dtype=np.float64))
        # An error that is no number is the largest of all.
        self.largest = max(self.largest, float(np.nan_to_num(errors, nan=np.inf).max(initial=0.0)))
        best = min(_BEST, expected.shape[1])
        self.top1 += float((expected.argmax(axis=1) == given.argmax(axis=1)).sum())
        for left, right in zip(_highest(expected, best), _highest(given, best), strict=True):
            self.top20 += len(np.intersect1d(left, right)) / best

    @property
    def spread(self) -> float:
        """The logits' standard deviation."""
        mean = self.total / self.values
        return math.sqrt(max(0.0, self.squares / self.values - mean * mean))

    @property
    def mean_error(self) -> float:
        """Over all positions and items."""
        return self.errors / self.values


def _highest(logits: FloatArray, best: int) -> IntArray:
    return np.argpartition(logits, -best, axis=1)[:, -best:].astype(np.int32)


def _gate(precision: Precision, logits: _Logits) -> Gate:
    if precision == "fp32":
        return Gate(FP32_TOLERANCE * max(1.0, logits.spread), FP32_TIE_MARGIN)
    if precision != "int8":
        # Elsewhere products are summed in another order and rounded elsewhere on the way: what
        # rounding cost here it may cost there, to the other side.
        return Gate(2 * logits.largest, 2 * logits.largest)
    # On another kind of CPU a float that rounds differently may move an activation by one whole
    # integer step, so what rounding cost here is what it may cost there. On this kind the golden
    # pages, which this engine made, are met exactly.
    return Gate(logits.largest, logits.largest)


def _report(logits: _Logits, pages: Agreement, gate: Gate) -> Parity:
    return Parity(
        positions=logits.positions,
        logit_std=logits.spread,
        max_logit_error=logits.largest,
        mean_logit_error=logits.mean_error,
        top1=logits.top1 / logits.positions,
        top20=logits.top20 / logits.positions,
        pages=pages.pages,
        pages_equal=pages.identical,
        pages_tied=pages.ties(gate.tie_margin),
        titles_shared=pages.likeness.titles_shared,
    )


def _refuse(judgement: Judgement, pages: Agreement, precision: Precision) -> None:
    parity, gate = judgement.parity, judgement.gate
    if precision == "fp32":
        error, limit, what = parity.max_logit_error, gate.score_tolerance, "largest"
    else:
        limit = MEAN_TOLERANCES[precision] * parity.logit_std
        error, what = parity.mean_logit_error, "mean"
    # Written so that an error that is no number fails too.
    if not error <= limit:
        raise ParityError(
            f"the {precision} model strays from PyTorch: its {what} logit error is {error:.2g} "
            f"where {limit:.2g} is allowed (the logits' spread is {parity.logit_std:.2g}); nothing "
            "was written. Try --precision fp32."
        )
    wrong = pages.apart(gate.tie_margin)
    if precision == "fp32" and wrong:
        raise ParityError(
            f"{len(wrong)} of {parity.pages} fp32 pages differ from PyTorch's by choices up to "
            f"{max(wrong):.2g} apart, where {gate.tie_margin:.2g} counts as a tie; nothing was "
            "written. This is a bug."
        )
