"""The catalog's entities, as cards and panels show them."""

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Path, Query

from api.bodies import Identifier
from api.replies import EntitiesReply, EntityReply
from api.routes.running import Running, problems
from api.served import Served
from genpage.entity import Entity
from genpage.errors import NotFoundError, UnavailableError

router = APIRouter(prefix="/v1/entities", tags=["catalog"])
_AT_ONCE = 200


@router.get("", summary="Entities by id", responses=problems(401, 422, 503))
async def read_many(
    server: Running,
    ids: Annotated[list[Identifier], Query(alias="id", min_length=1, max_length=_AT_ONCE)],
) -> EntitiesReply:
    """Those that the catalog has, in the order asked for, and the ids that it has not."""
    catalog = _model(server).catalog
    places = [(entity_id, catalog.entity_index(entity_id)) for entity_id in ids]
    return EntitiesReply(
        entities=[_reply(catalog.entities[place]) for _, place in places if place is not None],
        unknown=[entity_id for entity_id, place in places if place is None],
    )


@router.get("/{entity_id:path}", summary="An entity", responses=problems(401, 404, 422, 503))
async def read(entity_id: Annotated[Identifier, Path()], server: Running) -> EntityReply:
    """All that the catalog says of it."""
    catalog = _model(server).catalog
    place = catalog.entity_index(entity_id)
    if place is None:
        raise NotFoundError(f"The catalog has no entity {entity_id!r}.")
    return _reply(catalog.entities[place])


def _model(server: Running) -> Served:
    model = server.models.active
    if model is None:
        raise UnavailableError("No bundle is loaded yet.")
    return model


def _reply(entity: Entity) -> EntityReply:
    fields = asdict(entity)
    del fields["vector"]
    return EntityReply(**fields)
