"""Problem documents, as RFC 9457 and our own model of them have them."""

from typing import Any

import httpx

from api.replies import ProblemReply


def problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The answer's problem document, checked for what each must have."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = answer.json()
    ProblemReply.model_validate(document)
    assert (document["status"], document["code"]) == (status, code)
    assert document["request_id"] == answer.headers["x-request-id"]
    return document


def wrong_fields(answer: httpx.Response) -> list[str]:
    """The fields that a 422 names."""
    return [error["field"] for error in problem(answer, 422, "invalid-input")["errors"]]
