"""Pages for sampled members: does any break a rule, and do two decoders give the same page?

Every page is decoded by the engine that serves. It is held against `genpage.audit`, rule by rule;
against the page of the plain PyTorch twin, which recomputes everything and caches nothing; and
against another bundle's, int8 beside fp32.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise

from export.agreement import Agreement
from genpage.audit import violations
from genpage.errors import WrongPagesError
from genpage.page import Page
from runtime.cases import Member
from runtime.offline import PageModel


def broken_rules(model: PageModel, member: Member, page: Page) -> Counter[str]:
    """How often the page breaks each rule; empty for a page that is as it must be."""
    found = violations(
        page, model.catalog, model.rules, member.context, member.request, model.trends
    )
    return Counter(violation.rule for violation in found)


def between_members(pages: Sequence[Page]) -> Agreement:
    """How far each member's page agrees with the next one's: the floor of any agreement."""
    agreement = Agreement()
    for page, another in pairwise(pages):
        agreement.add(page, another)
    return agreement


def refuse_wrong_pages(
    broken: Mapping[str, int], twin: Agreement | None, *, tie_margin: float, random: bool
) -> None:
    """`WrongPagesError` where a rule was broken, or a page differs from its twin's beyond a tie.

    ``tie_margin`` is the bundle's own: what rounding cost it when it was exported. Pages of
    ``random`` weights mean nothing, and only their rules are judged.
    """
    if broken:
        counts = ", ".join(f"{rule} {count} times" for rule, count in sorted(broken.items()))
        raise WrongPagesError(f"pages break rules: {counts}. This is a bug.")
    apart = [] if twin is None or random else twin.apart(tie_margin)
    if apart and twin is not None:
        raise WrongPagesError(
            f"{len(apart)} of {twin.pages} pages differ from PyTorch's by choices up to "
            f"{max(apart):.2g} apart, where {tie_margin:.2g} counts as a tie; export the "
            "checkpoint again, or with --precision fp32."
        )
