"""``docs/catalog.md``: what it says of withdrawing a title does withdraw one."""

import asyncio
import re
import subprocess
import sys
import uuid
from pathlib import Path

from kafka_clients import everything_on

from genpage.catalog_changes import Withdrawal
from streaming.broker import Broker
from streaming.catalog_messages import read_change
from streaming.messages import Message
from streaming.missing_topics import create_missing
from streaming.topics import CATALOG

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "catalog.md").read_text("utf-8")


async def test_the_lines_that_withdraw_a_title_send_a_null(kafka: str) -> None:
    """Run as they stand, with a broker and a title of our own; read as a replica reads them."""
    await create_missing(Broker(kafka))
    (lines,) = re.findall(r"^```python\n(.*?withdraw.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    title = f"n-{uuid.uuid4().hex}"
    script = lines.replace("HOST:PORT", kafka).replace("entity:n1", f"entity:{title}")
    command = [sys.executable, "-c", script]
    await asyncio.to_thread(subprocess.run, command, check=True, timeout=60)
    (letter,) = [
        each for each in await everything_on(kafka, CATALOG.name) if title in str(each.key)
    ]
    assert read_change(Message(CATALOG.name, letter.key, letter.value)) == Withdrawal(
        "entity", title
    )
