"""A client that is cut off while it starts is gone: no task and no socket is left of it."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from aiokafka.conn import AIOKafkaConnection
from aiokafka.protocol.metadata import MetadataRequest
from kafka_clients import until

from api.fake import Logbook
from streaming.broker import Broker
from streaming.giving_up import give_up
from streaming.missing_topics import create_missing
from streaming.producer import Producer
from streaming.sending import idempotent
from streaming.side_producer import SideProducer
from streaming.transactions import Transactions


async def side_producer(broker: Broker) -> None:
    """Sends its first page."""
    await SideProducer(broker, Producer(broker, Logbook().logger())).send([])


async def transactions(broker: Broker) -> None:
    """Stand ready for lists."""
    await Transactions(broker, Logbook().logger()).run()


@pytest.mark.parametrize("begin", [create_missing, side_producer, transactions])
async def test_what_is_cut_off_at_its_first_question_leaves_no_socket(
    kafka: str, monkeypatch: pytest.MonkeyPatch, begin: Callable[[Broker], Awaitable[object]]
) -> None:
    """The connection that it was asked on is nobody's yet."""
    asking: list[AIOKafkaConnection] = []
    send = AIOKafkaConnection.send

    def hold(
        connection: AIOKafkaConnection, request: object, **options: bool
    ) -> "asyncio.Future[object]":
        if not isinstance(request, MetadataRequest):
            answer: asyncio.Future[object] = send(connection, request, **options)
            return answer
        asking.append(connection)
        return asyncio.get_running_loop().create_future()

    monkeypatch.setattr(AIOKafkaConnection, "send", hold)
    beginning = asyncio.ensure_future(begin(Broker(kafka)))
    await until(lambda: bool(asking))
    assert asking[0].connected()
    beginning.cancel()
    await asyncio.wait([beginning])
    assert beginning.cancelled()
    assert not asking[0].connected()


async def test_a_producer_is_given_up_before_its_sender_began(kafka: str) -> None:
    """Its client ends with it, and whoever gives it up is not cancelled."""
    producer = idempotent(Broker(kafka), 2.0)
    await producer.start()
    await give_up(producer)
    assert producer.client._sync_task is None
    await until(lambda: asyncio.all_tasks() == {asyncio.current_task()})
