"""The bundles of this server."""

from fastapi import APIRouter

from api.replies import LoadedReply, ModelReply, ModelsReply
from api.routes.running import Running, problems
from api.served import Served

router = APIRouter(prefix="/v1/models", tags=["models"])


@router.get("", summary="Which bundles are loaded", responses=problems(401))
async def models(server: Running) -> ModelsReply:
    """What new pages get, what a rollback would give, and all that is in memory."""
    return ModelsReply(
        active=named(server.models.active),
        previous=named(server.models.previous),
        loaded=[
            LoadedReply(version=m.version, digest=m.digest, created_at=m.created_at)
            for m in server.models.loaded
        ],
    )


def named(model: Served | None) -> ModelReply | None:
    """A bundle by version and digest."""
    return None if model is None else ModelReply(version=model.version, digest=model.digest)
