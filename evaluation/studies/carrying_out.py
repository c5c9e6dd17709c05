"""Studies carried out one after the other, each published as soon as it is over.

A study that is published already, from this workshop, by the same code and command, is not run
again. One that fails does not keep the others from running.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from evaluation.studies.publish import FORMATS, publish
from evaluation.studies.study import Study
from evaluation.studies.workshop import Workshop
from genpage.errors import GenPageError

_FINISHED = "finished"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one study: its document, or why there is none.

    ``skipped`` studies were over before; ``cpu_s`` is what this run of it took of the processor.
    """

    name: str
    document: Mapping[str, object] | None
    failure: GenPageError | None = None
    skipped: bool = False
    cpu_s: float = 0.0


def carry_out(
    studies: Sequence[Study],
    workshop: Workshop,
    out: Path,
    command: Callable[[Study], str],
    *,
    force: bool = False,
) -> Iterator[Outcome]:
    """Run what is not finished, or everything by ``force``; publish into ``out``."""
    for study in studies:
        own = workshop.of(study.name)
        marker = own.steps / f"{_FINISHED}.json"
        if force:
            own.forget()
        elif (finished := _finished(marker, out, study.name)) is not None:
            yield Outcome(study.name, finished, skipped=True)
            continue
        began = time.process_time()
        try:
            findings = study.run(own)
        except GenPageError as error:
            yield Outcome(study.name, None, failure=error)
            continue
        document = publish(study, findings, out, command(study))
        own.keep(_FINISHED, document)
        yield Outcome(study.name, document, cpu_s=time.process_time() - began)


def _finished(marker: Path, out: Path, name: str) -> Mapping[str, object] | None:
    """What was published, if it still lies there as it was."""
    if not marker.is_file() or not all((out / f"{name}.{form}").is_file() for form in FORMATS):
        return None
    document: Mapping[str, object] = json.loads(marker.read_bytes())
    published = json.loads((out / f"{name}.json").read_bytes())
    return document if document == published else None
