"""How to speak to a cluster that asks who is there: TLS, SASL, or both."""

import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from genpage.errors import UsageError

# As Kafka names them, in small letters.
Protocol = Literal["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"]
Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]
SCRAM: Final[Mechanism] = "SCRAM-SHA-512"


@dataclass(frozen=True, slots=True)
class Security:
    """Checked on construction. ``ca`` is a file of certificates to trust in place of the system's.

    ``certificate`` and ``key`` show who this server is, where the cluster wants that.
    """

    protocol: Protocol = "plaintext"
    mechanism: Mechanism = SCRAM
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    def __post_init__(self) -> None:
        """Refuse what does not go together, naming the flag; certificates are read."""
        named = self.username is not None or self.password is not None
        if self.sasl and not (self.username and self.password):
            raise UsageError(
                f"--kafka-security {self.protocol} needs --kafka-username and a password "
                "(GENPAGE_KAFKA_PASSWORD or --kafka-password-file)"
            )
        if named and not self.sasl:
            raise UsageError("--kafka-username needs --kafka-security sasl_ssl (or sasl_plaintext)")
        if not self.tls and (self.ca or self.certificate or self.key):
            raise UsageError("--kafka-ca and --kafka-certificate need --kafka-security ssl")
        if self.key is not None and self.certificate is None:
            raise UsageError("--kafka-key needs --kafka-certificate")
        self.context()

    @property
    def tls(self) -> bool:
        """Whether connections are encrypted."""
        return self.protocol in {"ssl", "sasl_ssl"}

    @property
    def sasl(self) -> bool:
        """Whether it says who it is by name and password."""
        return self.protocol in {"sasl_plaintext", "sasl_ssl"}

    def context(self) -> ssl.SSLContext | None:
        """What TLS connections are made with; names of hosts are checked."""
        if not self.tls:
            return None
        try:
            context = ssl.create_default_context(cafile=self.ca)
            if self.certificate is not None:
                context.load_cert_chain(self.certificate, self.key)
        except (OSError, ssl.SSLError) as error:
            files = ", ".join(str(f) for f in (self.ca, self.certificate, self.key) if f)
            raise UsageError(f"--kafka-ca, --kafka-certificate: {files}: {error}") from error
        return context

    def options(self) -> dict[str, Any]:
        """Keyword arguments that every client of aiokafka takes."""
        found: dict[str, Any] = {"security_protocol": self.protocol.upper()}
        context = self.context()
        if context is not None:
            found["ssl_context"] = context
        if self.sasl:
            found |= {
                "sasl_mechanism": self.mechanism,
                "sasl_plain_username": self.username,
                "sasl_plain_password": self.password,
            }
        return found
