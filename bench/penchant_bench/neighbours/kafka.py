"""A real Kafka broker on this machine, for tests and figures: ``python -m penchant_bench.neighbours.kafka DIRECTORY``.

One process is broker and controller (KRaft). It always listens in plain text on a port of its own; with ``Security`` it
has a listener for each other protocol beside it. Its port and data stay the same over restarts.
"""

import argparse
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from penchant_bench.neighbours.jars import NotHere, jars, program
from penchant_bench.neighbours.process import Guarded, free_port

VERSION = "4.4.0"
ARTIFACTS = (f"org.apache.kafka:kafka_2.13:{VERSION}", "org.slf4j:slf4j-simple:1.7.36")
HOST = "127.0.0.1"
START_SECONDS = 90.0
STOP_SECONDS = 30.0
JVM = (
    "-Xms64m",
    "-Xmx512m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
)
"""Starts fast and stays small. For figures of the broker itself leave ``TieredStopAtLevel`` out."""

Protocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]

_SETTINGS = {
    "node.id": "1",
    "process.roles": "broker,controller",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "group.initial.rebalance.delay.ms": "0",
    "auto.create.topics.enable": "false",
    "broker.heartbeat.interval.ms": "500",
    "broker.session.timeout.ms": "3000",
    "socket.request.max.bytes": "134217728",
    "log.cleaner.backoff.ms": "500",
}


@dataclass(frozen=True)
class Certificates:
    """PEM texts of the broker."""

    chain: str
    """Its own certificate first."""
    key: str
    """In PKCS 8."""
    trusted: str
    """Whose certificates clients must have with ``SSL``."""


@dataclass(frozen=True)
class Security:
    """More listeners, for clients that say who they are. ``SSL`` wants a certificate of the client (mutual TLS)."""

    certificates: Certificates | None = None
    """With them there are ``SSL`` and ``SASL_SSL``."""
    users: Mapping[str, str] = field(default_factory=dict)
    """User → password, for PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512; they may do everything."""
    powerless: Mapping[str, str] = field(default_factory=dict)
    """User → password of those who may do nothing."""

    @property
    def protocols(self) -> list[Protocol]:
        """What there is a listener for."""
        return ["SASL_PLAINTEXT", *(("SSL", "SASL_SSL") if self.certificates else ())]


class Broker:
    """A broker with its data in *folder*. Raises ``NotHere`` where Java or Maven are missing."""

    def __init__(
        self,
        folder: Path,
        *,
        port: int = 0,
        security: Security | None = None,
        settings: Mapping[str, str] | None = None,
        jvm: tuple[str, ...] = JVM,
    ) -> None:
        self.folder = folder
        self._security = security
        self._settings = dict(settings or {})
        self._jvm = jvm
        self._process: Guarded | None = None
        self._ports: dict[str, int] = {"PLAINTEXT": port or free_port(), "CONTROLLER": free_port()}
        for protocol in security.protocols if security else ():
            self._ports[protocol] = free_port()

    @property
    def bootstrap(self) -> str:
        """Address for clients in plain text; it stays over restarts."""
        return self.address("PLAINTEXT")

    def address(self, protocol: Protocol) -> str:
        """Address for clients of a protocol."""
        return f"{HOST}:{self._ports[protocol]}"

    @property
    def pid(self) -> int:
        """Process id."""
        return self._running().process.pid

    @property
    def log(self) -> Path:
        """What the broker says."""
        return self.folder / "broker.log"

    def start(self) -> None:
        """Start it, on what is in the folder, and wait until it answers."""
        if self._process is not None:
            raise RuntimeError("the broker is started already")
        java = [program("java"), *self._jvm, "-cp", f"{jars('kafka', *ARTIFACTS)}/*"]
        self.folder.mkdir(parents=True, exist_ok=True)
        properties = self.folder / "server.properties"
        properties.write_text("".join(f"{name}={value}\n" for name, value in self._properties().items()))
        if not (self.folder / "data" / "meta.properties").exists():
            self._format([*java, "kafka.tools.StorageTool"], properties)
        self._process = Guarded([*java, "kafka.Kafka", str(properties)], self.log)
        try:
            self._wait_until_it_answers()
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        """Ask it to end in order, and wait for that. Nothing happens when it does not run."""
        self._end(STOP_SECONDS)

    def kill(self) -> None:
        """End it as a crash would."""
        self._end(0)

    def pause(self) -> None:
        """Freeze it: connections stay open and nothing is answered."""
        self._running().send(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        self._running().send(signal.SIGCONT)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _running(self) -> Guarded:
        if self._process is None:
            raise RuntimeError("the broker is not started")
        return self._process

    def _end(self, grace: float) -> None:
        if self._process is not None:
            self._process.end(grace)
            self._process = None

    def _properties(self) -> dict[str, str]:
        names = list(self._ports)
        listeners = ",".join(f"{name}://{HOST}:{port}" for name, port in self._ports.items())
        properties = _SETTINGS | {
            "listeners": listeners,
            "advertised.listeners": ",".join(x for x in listeners.split(",") if not x.startswith("CONTROLLER")),
            "listener.security.protocol.map": ",".join(
                f"{name}:{'PLAINTEXT' if name == 'CONTROLLER' else name}" for name in names
            ),
            "controller.quorum.bootstrap.servers": f"{HOST}:{self._ports['CONTROLLER']}",
            "log.dirs": str(self.folder / "data"),
        }
        return properties | (_secured(self._security) if self._security else {}) | self._settings

    def _format(self, tool: list[str], properties: Path) -> None:
        security = self._security or Security()
        command = [
            *tool,
            "format",
            "--standalone",
            "--cluster-id",
            "cGVuY2hhbnQtdGVzdHMtMQ",
            "--config",
            str(properties),
        ]
        for user, password in {**security.users, **security.powerless}.items():
            for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512"):
                command += ["--add-scram", f"{mechanism}=[name={user},password={password}]"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode:
            raise RuntimeError(f"Kafka's storage tool failed: {done.stdout + done.stderr}")

    def _wait_until_it_answers(self) -> None:
        process, deadline = self._running(), time.monotonic() + START_SECONDS
        while not _answers(self._ports["PLAINTEXT"]):
            if not process.running or time.monotonic() > deadline:
                state = "does not answer" if process.running else f"ended with {process.process.returncode}"
                tail = "\n".join(self.log.read_text(errors="replace").splitlines()[-30:])
                raise RuntimeError(f"the broker {state}; {self.log} ends with:\n{tail}")
            time.sleep(0.05)


def _answers(port: int) -> bool:
    """Whether a broker answers a request for metadata and has joined its own cluster."""
    # Metadata (3), version 1, correlation 7, client "w", no topics.
    request = struct.pack(">hhih1si", 3, 1, 7, 1, b"w", 0)
    try:
        with socket.create_connection((HOST, port), 1.0) as connection, connection.makefile("rb") as answer:
            connection.sendall(struct.pack(">i", len(request)) + request)
            head = answer.read(12)
    except OSError:
        return False
    return len(head) == 12 and struct.unpack(">iii", head)[2] > 0


def _secured(security: Security) -> dict[str, str]:
    everybody = {**security.users, **security.powerless}
    known = " ".join(f'user_{user}="{password}"' for user, password in everybody.items())
    module = "org.apache.kafka.common.security"
    properties = {
        "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER",
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": ";".join(["User:ANONYMOUS", *(f"User:{user}" for user in security.users)]),
        "ssl.principal.mapping.rules": "RULE:^.*$/ANONYMOUS/",
    }
    for listener in ("sasl_plaintext", "sasl_ssl"):
        prefix = f"listener.name.{listener}."
        properties[f"{prefix}plain.sasl.jaas.config"] = f"{module}.plain.PlainLoginModule required {known};"
        for mechanism in ("scram-sha-256", "scram-sha-512"):
            properties[f"{prefix}{mechanism}.sasl.jaas.config"] = f"{module}.scram.ScramLoginModule required;"
        properties[f"{prefix}oauthbearer.sasl.jaas.config"] = (
            f'{module}.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker";'
        )
    if security.certificates:
        properties |= {
            "ssl.keystore.type": "PEM",
            "ssl.truststore.type": "PEM",
            "ssl.keystore.certificate.chain": _line(security.certificates.chain),
            "ssl.keystore.key": _line(security.certificates.key),
            "ssl.truststore.certificates": _line(security.certificates.trusted),
            "listener.name.ssl.ssl.client.auth": "required",
        }
    return properties


def _line(pem: str) -> str:
    """Write PEM as the value of a property."""
    return pem.strip().replace("\n", "\\n")


def main() -> None:
    """Run a broker until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(description="Run a Kafka broker in the foreground.")
    parser.add_argument("directory", type=Path, help="where its data and its log go")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    given = parser.parse_args()
    # The block is left whichever signal comes, and the broker with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        with Broker(given.directory, port=given.port) as broker:
            print(f"address={broker.bootstrap}", flush=True)
            signal.pause()
    except KeyboardInterrupt:
        pass
    except NotHere as error:
        parser.exit(3, f"{error}\n")


if __name__ == "__main__":
    main()
