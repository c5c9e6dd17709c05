"""A command: its settings from flags, ``GENPAGE_*`` variables, ``genpage.toml`` and defaults.

In that order of precedence. Parsing, typing and help are pydantic-settings'; this module adds the
project's conventions: one flat set of keys, unknown keys refused by name, ``--json``.
"""

import os
import re
import sys
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Literal

import orjson
from pydantic import Field, PrivateAttr
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)
from rich.console import Console, RenderableType

from genpage.errors import UsageError

CONFIG_FILE = "genpage.toml"
# A part that is there or not.
Switch = Literal["on", "off"]
# Read by tests and the importer, not flags of a command; and what Kubernetes sets by itself for a
# service that is called "genpage".
_FOREIGN = re.compile(r"^GENPAGE_(REAL_DATA|SERVICE_.*|PORT_\d+_.*)$")
# "GENPAGE_PORT=tcp://10.0.0.1:80" is set by it too, and is one of ours by name alone.
_SERVICE_LINK = re.compile(r"^(tcp|udp|sctp)://")


class Command(BaseSettings):
    """Base of all commands. A subclass's fields are its flags, its docstring is its help text."""

    model_config = SettingsConfigDict(
        cli_kebab_case=True,
        cli_implicit_flags=True,
        cli_hide_none_type=True,
        cli_exit_on_error=False,
        cli_show_env_vars=True,
        env_prefix="GENPAGE_",
        env_prefix_target="all",
        env_ignore_empty=True,
        extra="forbid",
        protected_namespaces=(),
    )
    # The keys of all commands, so that one file can configure several; set by the registry.
    every_key: ClassVar[frozenset[str]] = frozenset()

    as_json: bool = Field(default=False, alias="json", description="one JSON document on stdout")

    @classmethod
    def setting_names(cls) -> frozenset[str]:
        """The names that this command's settings go by in ``genpage.toml``."""
        return frozenset(field.alias or name for name, field in cls.model_fields.items())

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags come first (by pydantic-settings itself), then the environment, then the file."""
        del dotenv_settings, file_secret_settings
        refuse_unknown_variables(cls.every_key | cls.setting_names())
        known = {
            key: value
            for key, value in read_config(
                Path(CONFIG_FILE), cls.every_key | cls.setting_names()
            ).items()
            if key in cls.setting_names()
        }
        if isinstance(env_settings, EnvSettingsSource) and "port" in cls.model_fields:
            env_settings.env_vars = without_service_link(env_settings.env_vars)
        return init_settings, env_settings, InitSettingsSource(settings_cls, known)

    # As flags, by the name that each goes by; the environment and the file configure all commands.
    _words: tuple[str, ...] = PrivateAttr(default=())

    def called_with(self, words: Sequence[str]) -> None:
        """Note the words that it is called with, for `flagged`."""
        self._words = tuple(word.partition("=")[0] for word in words if word.startswith("--"))

    def flagged(self, *flags: str) -> list[str]:
        """Those of ``flags`` (``--seed``) that the command line itself gives."""
        return [flag for flag in flags if flag in self._words]

    def run(self) -> None:
        """Do the work; a `GenPageError` ends the process with one line on stderr."""
        raise NotImplementedError  # pragma: no cover - each command has its own

    def emit(self, document: object, table: RenderableType | None = None) -> None:
        """Print the result: with ``--json`` one line as stdout's last, else ``table``."""
        if self.as_json:
            sys.stdout.write(orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY).decode())
            sys.stdout.write("\n")
        elif table is not None:
            Console().print(table)


def read_config(path: Path, known: frozenset[str]) -> dict[str, object]:
    """The keys of ``genpage.toml``; an unknown one or a broken file is a `UsageError`."""
    if not path.is_file():
        return {}
    try:
        values: dict[str, object] = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not valid TOML: {error}") from error
    values = {key.replace("-", "_"): value for key, value in values.items()}
    if unknown := sorted(set(values) - known):
        raise UsageError(f"{path}: unknown key {unknown[0]!r}; `genpage --help` lists the commands")
    return values


def without_service_link(variables: Mapping[str, str | None]) -> Mapping[str, str | None]:
    """The variables without a ``GENPAGE_PORT`` that is Kubernetes' and no port; stderr says so."""
    own = {
        name: value
        for name, value in variables.items()
        if not (name.lower() == "genpage_port" and value and _SERVICE_LINK.match(value))
    }
    if len(own) < len(variables):
        sys.stderr.write(
            "genpage: GENPAGE_PORT is passed over: Kubernetes sets it for a service called genpage "
            "and it is no port; give --port, or set enableServiceLinks to false\n"
        )
    return own


def refuse_unknown_variables(known: frozenset[str]) -> None:
    """A mistyped ``GENPAGE_*`` variable must not silently leave a default in force."""
    names = {f"GENPAGE_{key.upper()}" for key in known}
    for variable in os.environ:
        upper = variable.upper()
        if upper.startswith("GENPAGE_") and upper not in names and not _FOREIGN.match(upper):
            raise UsageError(f"the environment variable {variable} is not a setting of GenPage")
