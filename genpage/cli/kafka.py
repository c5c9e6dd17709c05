"""The settings of every command that speaks to a Kafka cluster."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from genpage.cli.command import Command
from genpage.errors import UsageError

if TYPE_CHECKING:
    from streaming.broker_security import Security


class KafkaCommand(Command):
    """Where the cluster is, and how to speak to it."""

    kafka: str | None = Field(
        default=None, description="the broker of the event log, HOST:PORT; several by commas"
    )
    kafka_security: Literal["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"] = Field(
        default="plaintext", description="TLS, SASL or both"
    )
    kafka_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        default="SCRAM-SHA-512", description="how SASL says the password"
    )
    kafka_username: str | None = Field(default=None, description="for SASL")
    kafka_password: str | None = Field(default=None, description="for SASL", repr=False)
    kafka_password_file: Path | None = Field(default=None, description="the password's file")
    kafka_ca: Path | None = Field(
        default=None, description="certificates to trust (PEM) in place of the system's"
    )
    kafka_certificate: Path | None = Field(
        default=None, description="of this server (PEM), where the cluster asks for one"
    )
    kafka_key: Path | None = Field(default=None, description="the certificate's key (PEM)")

    def security(self) -> "Security":
        """How to speak to the cluster; `UsageError` for what does not fit together."""
        from streaming.broker_security import Security

        return Security(
            self.kafka_security,
            self.kafka_mechanism,
            self.kafka_username,
            read_password(self.kafka_password, self.kafka_password_file),
            self.kafka_ca,
            self.kafka_certificate,
            self.kafka_key,
        )


def read_password(given: str | None, file: Path | None) -> str | None:
    """The password as given, or the first line of a file."""
    if given is not None and file is not None:
        raise UsageError("give either --kafka-password or --kafka-password-file")
    if file is None:
        return given
    try:
        return file.read_text("utf-8").split("\n", 1)[0].rstrip("\r")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read the password in {file}: {error}") from error
