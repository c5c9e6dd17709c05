"""The topics by PROTOCOLS, and the broker's address."""

import pytest

from genpage.errors import UsageError
from streaming.broker import Broker
from streaming.topics import TOPICS


def test_every_topic_has_its_policy() -> None:
    """Compacted where the newest value counts, by time elsewhere; dead letters take all sizes."""
    settings = {topic.name: topic.settings for topic in TOPICS}
    compacted = {name for name, held in settings.items() if held["cleanup.policy"] == "compact"}
    assert compacted == {"genpage.profiles", "genpage.catalog", "genpage.checkpoints"}
    by_time = set(settings) - compacted
    assert {"genpage.events", "genpage.checkpoints.status", "genpage.pages"} <= by_time
    assert all(int(settings[name]["retention.ms"]) > 0 for name in by_time)
    assert int(settings["genpage.events.dlq"]["max.message.bytes"]) > 5_000_000


@pytest.mark.parametrize("address", ["", "kafka", "kafka:", ":9092", "kafka:0", "a:9092,b"])
def test_an_address_is_host_and_port(address: str) -> None:
    """Said before anything is started."""
    with pytest.raises(UsageError, match="HOST:PORT"):
        Broker(address)


def test_several_addresses_by_commas() -> None:
    """Any of them leads to the cluster."""
    assert Broker("a:1, [::1]:9092").addresses == ["a:1", "[::1]:9092"]
