"""``docker-compose.yml`` against the compose specification, and what is asked of each service."""

import json
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from api.last_resort import LAST_S
from api.server import Options

ROOT = Path(__file__).resolve().parents[2]
# Parsed YAML is whatever it is; the schema judges it.
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
# The schema of the project compose-spec/compose-spec, as the package check-jsonschema carries it.
SCHEMA = "builtin_schemas/vendor/compose-spec.json"
each_service = pytest.mark.parametrize("name", sorted(SERVICES))


def validator() -> Draft202012Validator:
    """The compose specification's own."""
    schema = json.loads(files("check_jsonschema").joinpath(SCHEMA).read_text("utf-8"))
    assert schema["title"] == "Compose Specification"
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def test_it_is_what_the_specification_says() -> None:
    """Not one deviation; and the schema does tell a wrong file from a right one."""
    assert [error.message for error in validator().iter_errors(COMPOSE)] == []
    wrong = {**COMPOSE, "services": {"server": {"image": "x", "healthchek": {}}}}
    assert not validator().is_valid(wrong)


def test_the_services_are_all_there() -> None:
    """Redis, Kafka, the server, the metrics stack; a collector on demand alone."""
    assert set(SERVICES) == {"server", "redis", "kafka", "prometheus", "grafana", "jaeger"}
    assert [name for name, service in SERVICES.items() if "profiles" in service] == ["jaeger"]
    assert SERVICES["kafka"]["environment"]["KAFKA_PROCESS_ROLES"] == "broker,controller"


@each_service
def test_every_service_is_watched_and_bounded(name: str) -> None:
    """A health check, and limits to processors, memory and processes."""
    service = SERVICES[name]
    assert service["healthcheck"]["test"][0] == "CMD"
    limits = service["deploy"]["resources"]["limits"]
    assert float(limits["cpus"]) > 0
    assert re.fullmatch(r"\d+[MG]", limits["memory"])
    assert limits["pids"] > 0
    assert service["logging"]["options"]["max-size"]


@each_service
def test_every_service_runs_with_as_little_as_may_be(name: str) -> None:
    """No root, no capability, no new privileges; a read-only root but for Kafka's start script."""
    service = SERVICES[name]
    uid, gid = service["user"].split(":")
    assert int(uid) > 0
    assert gid.isdecimal()
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert service.get("read_only", False) is (name != "kafka")
    assert "privileged" not in service


@each_service
def test_images_are_pinned_and_ports_on_loopback(name: str) -> None:
    """A full version by a short name; nothing is offered to the network."""
    service = SERVICES[name]
    image, _, tag = service["image"].partition(":")
    assert re.match(r"v?\d+\.\d+\.\d+", tag), service["image"]
    assert "." not in image.split("/")[0], "a short name, without a registry's host"
    for port in service["ports"]:
        assert port.startswith("127.0.0.1:")


@each_service
def test_what_is_mounted_is_there(name: str) -> None:
    """Files of the repository exist; volumes are declared."""
    for volume in SERVICES[name].get("volumes", []):
        source = volume["source"] if isinstance(volume, dict) else volume.split(":")[0]
        if source == "./var":
            continue  # what runs make
        if source.startswith("./"):
            assert (ROOT / source).is_dir()
        else:
            assert source in COMPOSE["volumes"]


def test_dependencies_are_waited_for_and_named_as_they_are() -> None:
    """The server waits for both; where it looks for them is where they are."""
    server = SERVICES["server"]
    assert {name: how["condition"] for name, how in server["depends_on"].items()} == {
        "redis": "service_healthy",
        "kafka": "service_healthy",
    }
    assert server["environment"]["GENPAGE_KAFKA"] == "kafka:19092"
    listeners = SERVICES["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"].split(",")
    assert "INSIDE://kafka:19092" in listeners
    # A grace of 10 s by default, and what comes after it.
    assert int(server["stop_grace_period"].removesuffix("s")) > Options().grace_s + LAST_S + 5


def test_a_bundle_is_named_as_outside_and_nothing_is_made_as_root() -> None:
    """Relative paths are told from where compose runs; var/ is the user's own to make."""
    server = SERVICES["server"]
    (var,) = (v for v in server["volumes"] if isinstance(v, dict))
    assert var["target"] == f"{server['environment']['GENPAGE_FROM']}/var"
    assert var["bind"]["create_host_path"] is False


def test_the_brokers_health_check_takes_no_heap_of_the_brokers_size() -> None:
    """It is a JVM of its own, under the same limit."""
    kafka = SERVICES["kafka"]
    own = [part for part in kafka["healthcheck"]["test"] if part.startswith("KAFKA_HEAP_OPTS=")]
    assert own == ["KAFKA_HEAP_OPTS=-Xmx64m"]
    assert kafka["environment"]["KAFKA_HEAP_OPTS"] not in own[0]
