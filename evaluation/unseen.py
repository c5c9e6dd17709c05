"""Days that a model has not seen: what it may be judged on."""

from genpage.errors import UsageError


def refuse_seen(until: str | None, first: str, flag: str, model: str = "the checkpoint") -> None:
    """`UsageError` where a model trained up to ``until`` is judged from the day ``first`` on.

    ``flag`` is what names that day; None as ``until`` is a model that no data has touched.
    """
    if until is not None and until > first:
        raise UsageError(
            f"{model} was trained up to {until}, past {flag} {first}: it would be asked about what "
            f"it has seen. Take an earlier checkpoint, or a later {flag}."
        )
