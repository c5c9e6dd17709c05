"""What a loaded bundle must pass before it may make anybody's page.

Its files, shapes and golden pages were judged as it was loaded (`runtime.model`). These judge it
beside what is active, and by the rules.
"""

from dataclasses import dataclass
from typing import Final

from genpage.audit import violations
from rollout.refusal import RefusedError
from rollout.terms import most_ms
from runtime.cases import GoldenCase
from runtime.offline import PageModel, generate
from tokenizer.vocabulary import Vocabulary

# Enough to see a broken one; each takes as long as a page.
RULE_PAGES: Final = 2


@dataclass(frozen=True, slots=True)
class Timed:
    """What the same pages took, milliseconds each: the bundle's and the active one's."""

    candidate: tuple[float, ...] = ()
    active: tuple[float, ...] = ()

    def plus(self, more: "Timed") -> "Timed":
        """With more of the same."""
        return Timed(self.candidate + more.candidate, self.active + more.active)


def check_lineage(candidate: Vocabulary, active: Vocabulary, active_digest: str) -> None:
    """One of the two vocabularies grew out of the other; a rollback goes back to an ancestor.

    ``active_digest`` is the active vocabulary as its bundle has it: a live catalog lets it grow.
    """
    grown = active_digest in {*candidate.lineage, candidate.digest}
    older = candidate.digest in active.lineage
    if not (grown or older):
        raise RefusedError(
            "lineage",
            "the bundle's vocabulary did not grow out of the active one's, nor the other way "
            'round; announce it with "new_lineage" if that is meant',
        )


def check_rules(model: PageModel, case: GoldenCase) -> None:
    """The page of a golden member, under the rules and over the catalog that will serve."""
    member = case.member
    (page,) = generate(model, [member])
    broken = violations(
        page, model.catalog, model.rules, member.context, member.request, model.trends
    )
    if broken:
        raise RefusedError(
            "rules",
            f"the page of golden member {member.name} breaks {broken[0].rule} in row "
            f"{broken[0].row}: {broken[0].detail}",
        )
    if not page.rows:
        raise RefusedError("rules", f"the page of golden member {member.name} is empty")


def check_latency(timed: Timed, ratio: float) -> None:
    """The best of a few pages against the active one's best: what is left is the model's own."""
    if not timed.candidate or not timed.active:
        return
    own, other = min(timed.candidate), min(timed.active)
    if own > most_ms(other, ratio):
        raise RefusedError(
            "latency",
            f"a page takes {own:.0f} ms, on the active bundle {other:.0f} ms; {ratio:g} times as "
            'long is allowed. Announce it with a greater "latency_ratio" if that is meant',
        )
