"""The golden gate: a bundle serves only after giving its golden members their pages here.

Digests say that the files are those that were exported; this says that this machine's tokenizer,
onnxruntime and CPU make of them what was judged. Where the exporting engine ran on a CPU and an
onnxruntime like this one's, everything is equal bit for bit, and the pages must be the same ones.
Elsewhere float kernels may round differently, so a score may differ by the manifest's tolerance
and a choice where two logits lie within its margin.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from genpage.errors import BundleError
from genpage.page import Page
from runtime.arrays import FloatArray, IntArray
from runtime.cases import GoldenCase, Member
from runtime.chunk import Chunk
from runtime.cpu import cpu_note
from runtime.device import CPU
from runtime.difference import first_difference, gap
from runtime.manifest import Gate
from runtime.offline import PageModel, added_to, generate, prompt_of
from runtime.sessions import runtime_version
from tokenizer.page import PageCodec

# How many of a case's scores are recorded.
_RECORDED = 32


def record(model: PageModel, members: Sequence[Member]) -> tuple[GoldenCase, ...]:
    """What the model gives these members."""
    cases = []
    for member, page in zip(members, generate(model, members), strict=True):
        prompt = prompt_of(model, member.context, member.request).tokens
        scores = scores_after(model, prompt)
        best = np.argsort(-scores, kind="stable")[:_RECORDED]
        cases.append(
            GoldenCase(
                member=member,
                prompt=tuple(prompt.tolist()),
                items=tuple(best.tolist()),
                scores=tuple(scores[best].tolist()),
                page=page,
            )
        )
    return tuple(cases)


def recorded_alike(made_with: Mapping[str, str]) -> bool:
    """Whether what a manifest records was computed as this machine's CPU would compute it."""
    here = {"cpu": cpu_note(), "onnxruntime": runtime_version()}
    # Bundles of before devices were told were made on the CPU.
    if made_with.get("device", CPU.name) != CPU.name:
        return False
    return all(made_with.get(name) == value for name, value in here.items())


def check(
    model: PageModel, cases: Sequence[GoldenCase], gate: Gate, *, random: bool, exact: bool
) -> None:
    """Raise `BundleError` where a golden member does not get what was recorded.

    Pages of ``random`` weights mean nothing: theirs are judged by the scores alone. Others must be
    the recorded ones; unless ``exact``, a choice may differ within the gate's margin.
    """
    if not cases:
        raise BundleError("the bundle has no golden pages; export the checkpoint again.")
    pages = generate(model, [case.member for case in cases])
    for case, page in zip(cases, pages, strict=True):
        _check_prompt(model, case)
        _check_scores(model, case, gate)
        if not random:
            _check_page(model, case, page, 0.0 if exact else gate.tie_margin)


def scores_after(model: PageModel, tokens: IntArray) -> FloatArray:
    """Scores (R + E,) after the last of ``tokens`` (n,), run through slot 0 from its start."""
    hidden = model.backend.forward([Chunk(0, 0, tokens)])[0]
    scores: FloatArray = model.head.scores(hidden)[0]
    return scores


def _check_prompt(model: PageModel, case: GoldenCase) -> None:
    prompt = prompt_of(model, case.member.context, case.member.request)
    if tuple(prompt.tokens.tolist()) != case.prompt:
        raise BundleError(
            f"golden member {case.member.name}: this version of GenPage writes another prompt than "
            "the one that exported the bundle; export the checkpoint again."
        )


def _check_scores(model: PageModel, case: GoldenCase, gate: Gate) -> None:
    scores = scores_after(model, np.array(case.prompt, np.int32))
    if max(case.items, default=0) >= len(scores) or len(case.items) != len(case.scores):
        raise BundleError(f"golden member {case.member.name}: its scores are not the catalog's.")
    error = np.abs(scores[list(case.items)] - np.array(case.scores, np.float32)).max(initial=0.0)
    # Written so that a score that is no number fails too.
    if not error <= gate.score_tolerance:
        raise BundleError(
            f"golden member {case.member.name}: scores differ by {error:.2g} from those at export, "
            f"more than the {gate.score_tolerance:.2g} allowed; this machine's onnxruntime "
            "computes something else. Export the checkpoint on a machine like this one."
        )


def _check_page(model: PageModel, case: GoldenCase, page: Page, margin: float) -> None:
    difference = first_difference(
        case.page,
        page,
        model.catalog,
        autoregressive=case.member.autoregressive,
        serialised=model.serialised,
    )
    if difference is None:
        return
    distance = gap(
        difference,
        case.page,
        np.array(case.prompt, np.int32),
        PageCodec(model.encoder.vocabulary, model.serialised).encode,
        lambda tokens: scores_after(model, tokens),
        added_to(
            model,
            case.member,
            model.appeal(case.member.context, case.member.request, model.trends),
        ),
    )
    # Written so that a distance that is no number fails too. Without a margin no difference passes.
    if not (margin and distance <= margin):
        raise BundleError(
            f"golden member {case.member.name}: row {difference.rows} of the page differs, and the "
            f"two choices lie {distance:.2g} apart where {margin:.2g} is allowed. "
            "Export the checkpoint on a machine like this one."
        )
