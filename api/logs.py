"""Structured logs: one JSON document a line on stderr, uvicorn's own lines included.

Tracebacks carry no local variables: those hold members' data.
"""

import logging
import sys
from typing import Literal, TextIO

import structlog
from structlog.typing import FilteringBoundLogger, Processor

Level = Literal["debug", "info", "warning", "error"]


def configure(level: Level = "info", stream: TextIO = sys.stderr) -> FilteringBoundLogger:
    """Set the process's logging up and return the server's logger. Once, by whoever owns it."""
    number = logging.getLevelNamesMapping()[level.upper()]
    shared: list[Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processor=structlog.processors.JSONRenderer(), foreign_pre_chain=shared
        )
    )
    logging.basicConfig(level=number, handlers=[handler], force=True)
    # Our own line a request says more, and nothing of members.
    logging.getLogger("uvicorn.access").disabled = True
    # It repeats itself several times a second while a broker is away; `streaming` says it once.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    # A collector that is away: once a batch that is given up, not once a try.
    logging.getLogger("opentelemetry").setLevel(logging.ERROR)
    logger: FilteringBoundLogger = structlog.wrap_logger(
        structlog.WriteLogger(stream),
        processors=[*shared, structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(number),
    )
    return logger
