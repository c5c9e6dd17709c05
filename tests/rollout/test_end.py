"""SIGTERM while a bundle is tried out."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from kafka_clients import until
from server_process import ServerProcess

# A server whose golden gate takes for ever.
SLOW_GATE = """
import sys, time
from runtime.model import LoadedModel
from genpage.cli import main

def stand_still(*_):
    print("the gate stands still", file=sys.stderr, flush=True)
    time.sleep(300.0)

LoadedModel.try_out = stand_still
main()
"""


class SlowGate(ServerProcess):
    """Serves nothing, and never has done with trying out what it is to serve."""

    def _command(self) -> Sequence[str | Path]:
        python, _, _, *arguments = super()._command()
        assert python == sys.executable
        return (python, "-c", SLOW_GATE, *arguments)


async def test_a_gate_that_stands_still_does_not_hold_the_end_up(
    tmp_path: Path, another: Callable[[], Path]
) -> None:
    """Within a process manager's seconds, with exit code 0, without the last resort."""
    with SlowGate(tmp_path / "server", "--swap-stagger", "0") as server:
        async with server.client() as client:
            announced = {"bundle_uri": another().as_uri()}
            answer = await client.post("/admin/v1/checkpoints", json=announced)
            assert answer.status_code == 202
            await until(lambda: "the gate stands still" in server.log())
        assert server.end(within_s=15.0) == 0
        assert "takes too long" not in server.log()
