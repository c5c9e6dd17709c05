"""Checkpoints, for operators: load a bundle, activate it, go back, see how it goes."""

from typing import Annotated

from fastapi import APIRouter, Body, Path, Response

from api.admin_bodies import CheckpointBody
from api.admin_replies import AttemptReply, AttemptsReply, RolloutReply, SwitchReply
from api.examples import CHECKPOINT_BODIES
from api.routes.models import named
from api.routes.running import Running, problems
from api.server import Server
from genpage.errors import NotFoundError
from rollout.rollout import Rollout

router = APIRouter(prefix="/admin/v1/checkpoints", tags=["admin"])
Version = Annotated[str, Path(min_length=1, max_length=128)]


class RolloutOffError(NotFoundError):
    """This server takes up no bundles."""

    code = "rollout-off"


@router.post(
    "",
    summary="Load a bundle",
    status_code=202,
    responses=problems(400, 401, 404, 413, 415, 422, 503),
)
async def load(
    server: Running,
    response: Response,
    body: Annotated[CheckpointBody, Body(openapi_examples=CHECKPOINT_BODIES)],
) -> AttemptReply:
    """Fetch, check, try out and bring to serve, as its ``rollout`` says; follow it by its id."""
    rollout = _rollout(server)
    attempt = rollout.announce(body.announcement(rollout.next_moment()))
    assert attempt is not None  # only what is replayed is passed over
    response.headers["Location"] = f"{router.prefix}/{attempt.id}"
    return AttemptReply.model_validate(attempt.document())


@router.get("", summary="What was loaded, or refused", responses=problems(401, 404))
async def attempts(server: Running) -> AttemptsReply:
    """The latest, oldest first, by whichever way they were announced."""
    return AttemptsReply(
        checkpoints=[
            AttemptReply.model_validate(attempt.document())
            for attempt in _rollout(server).attempts.values()
        ]
    )


@router.get("/status", summary="Who serves what, and why", responses=problems(401, 404))
async def status(server: Running) -> RolloutReply:
    """The bundles that stand, the trial that goes on, and the latest that was said."""
    rollout = _rollout(server)
    return RolloutReply.model_validate(
        {
            "replica": rollout.settings.replica,
            "active": named(server.models.active),
            "previous": named(server.models.previous),
            "trial": None if rollout.trial is None else rollout.trial.document(),
            "swaps": rollout.numbers.swaps,
            "rolled_back": rollout.numbers.rolled_back,
            "refused": sum(rollout.numbers.refused.values()),
            "last_swap_s": rollout.numbers.last_swap_s,
            "last_activation_s": rollout.numbers.last_activation_s,
            "statuses": [status.document() for status in rollout.statuses],
        }
    )


@router.get("/{attempt_id}", summary="How a bundle is getting on", responses=problems(401, 404))
async def attempt(attempt_id: str, server: Running) -> AttemptReply:
    """By the id that loading it gave."""
    found = _rollout(server).attempts.get(attempt_id)
    if found is None:
        raise NotFoundError("No bundle was announced under this id, or too long ago.")
    return AttemptReply.model_validate(found.document())


@router.post("/rollback", summary="Go back", responses=problems(401, 404, 409, 413, 415))
async def rollback(server: Running) -> SwitchReply:
    """To the version before, at once; out of a canary, to the active version."""
    return _switched(server, (await _rollout(server).rollback()).version)


@router.post(
    "/{version:path}/activate",
    summary="Make pages with a loaded version",
    responses=problems(401, 404, 413, 415, 422),
)
async def activate(version: Version, server: Running) -> SwitchReply:
    """At once; what is on trial or waits is given up."""
    return _switched(server, (await _rollout(server).activate(version)).version)


def _switched(server: Server, version: str) -> SwitchReply:
    took = _rollout(server).numbers.last_activation_s or 0.0
    return SwitchReply(
        version=version,
        active=named(server.models.active),
        previous=named(server.models.previous),
        activation_ms=took * 1000,
    )


def _rollout(server: Server) -> Rollout:
    if server.rollout is None:
        raise RolloutOffError("This server takes up no bundles.")
    return server.rollout
