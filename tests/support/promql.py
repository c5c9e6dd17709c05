"""What a PromQL expression asks for."""

import re
from dataclasses import dataclass

import promql_parser
from promql_parser import VectorSelector


@dataclass(frozen=True, slots=True)
class Asked:
    """One selector: the metric, and the labels that it is matched by; whether it must grow."""

    metric: str
    labels: frozenset[str]
    increase: bool = False


def asked(expression: str) -> list[Asked]:
    """Every selector, Grafana's variables filled in; `ValueError` for what is no PromQL."""
    filled = expression.replace("$__rate_interval", "5m").replace("$instance", ".*")
    found: list[Asked] = []

    def note(node: object) -> None:
        if isinstance(node, VectorSelector):
            labels = frozenset(matcher.name for matcher in node.matchers.matchers)
            found.append(Asked(str(node.name), labels, increase=str(node.name) in grown))

    grown = set(re.findall(r"increase\((\w+)", filled))
    promql_parser.walk(promql_parser.parse(filled), note)
    return found
