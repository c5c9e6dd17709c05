"""Which bundle a rollback of all replicas goes back to. Pure.

What is left is the newest that was announced. Each replica that has it says what it had before:
in the place of a canary that is what is active, else what was active before. They must agree;
whoever has it not, has forgotten what was before, or is silent, is not asked.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from genpage.errors import ConflictError, NotFoundError

# JSON documents, of whichever version wrote them.
Document = dict[str, Any]


def way_back(
    announced: Iterable[Document], statuses: Sequence[Document], left_out: Sequence[str] = ()
) -> Document:
    """The bundle by version, digest and URI; ``statuses`` are the latest of each replica.

    ``left_out`` says of each replica that is not asked why, for the errors.

    `NotFoundError` where no replica has one to go back to, `ConflictError` where they have several.
    """
    newest = max(announced, key=lambda each: float(each.get("created_at") or 0), default=None)
    leaving = None if newest is None else newest.get("digest")
    found = [_before(status, leaving) for status in statuses]
    bundles: list[Document] = [bundle for bundle in found if is_whole(bundle)]
    named = "what was announced last" if newest is None else _name(newest)
    if not bundles:
        raise NotFoundError(
            f"no replica says that it has {named} and had another version before. Name the one "
            f"to serve: genpage checkpoints activate VERSION{_table(statuses, left_out)}"
        )
    if len({bundle["digest"] for bundle in bundles}) > 1:
        raise ConflictError(
            f"the replicas that have {named} had different versions before. Name the one to "
            f"serve: genpage checkpoints activate VERSION{_table(statuses, left_out)}"
        )
    return bundles[0]


def is_whole(bundle: object, version: str | None = None) -> bool:
    """Whether it can be announced anew."""
    if not isinstance(bundle, dict):
        return False
    named = all(bundle.get(key) for key in ("version", "digest", "bundle_uri"))
    return named and version in {None, bundle["version"]}


def latest(statuses: Iterable[Document]) -> list[Document]:
    """The newest status of each replica, by name."""
    newest = {each["replica"]: each for each in statuses if isinstance(each.get("replica"), str)}
    return [newest[name] for name in sorted(newest)]


def _before(status: Document, leaving: object) -> Any:  # noqa: ANN401 - whatever stands there
    if leaving is None:
        return None
    if _digest(status, "canary") == leaving:
        return status.get("active")
    if leaving in {_digest(status, "shadow"), _digest(status, "active")}:
        return status.get("previous")
    return None


def _digest(status: Document, role: str) -> object:
    bundle = status.get(role)
    return bundle.get("digest") if isinstance(bundle, dict) else None


def _name(bundle: object) -> str:
    version = bundle.get("version") or bundle.get("digest") if isinstance(bundle, dict) else None
    return str(version or "nothing")


def _table(statuses: Sequence[Document], left_out: Sequence[str]) -> str:
    asked = (
        f"{each.get('replica')}: serves {_name(each.get('active'))}, "
        f"before {_name(each.get('previous'))}"
        for each in statuses
    )
    return "".join(f"\n  {line}" for line in (*asked, *left_out))
