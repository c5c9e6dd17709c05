"""Making the topics that a cluster lacks.

What exists is left as it is: its policies belong to whoever runs the broker.
"""

from collections.abc import Iterable
from typing import Final

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import NoError, TopicAlreadyExistsError, for_code

from genpage.errors import UnavailableError
from streaming.broker import Broker
from streaming.starting import start
from streaming.topics import TOPICS, Topic

# Where the cluster has as many brokers.
REPLICAS: Final = 3


async def create_missing(broker: Broker, topics: Iterable[Topic] = TOPICS) -> list[str]:
    """Make those that do not exist; their names. `UnavailableError` where the broker refuses.

    Replicas of the server may do so at once: whoever comes second finds the topic made.
    """
    admin = AIOKafkaAdminClient(**broker.options())
    try:
        await start(admin.start())
        existing = set(await admin.list_topics())
        missing = [topic for topic in topics if topic.name not in existing]
        if not missing:
            return []
        replicas = min(REPLICAS, len((await admin.describe_cluster())["brokers"]))
        answer = await admin.create_topics(
            [
                NewTopic(topic.name, topic.partitions, replicas, topic_configs=topic.settings)
                for topic in missing
            ]
        )
        for name, code, message in answer.topic_errors:
            if for_code(code) not in {NoError, TopicAlreadyExistsError}:
                raise UnavailableError(f"the topic {name} cannot be made: {message}")
        return [topic.name for topic in missing]
    finally:
        await admin.close()
