"""Connections to Kafka: clients made from the settings, a patient start, foreign errors turned into ours."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.abc import AbstractTokenProvider
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.codec import has_zstd
from aiokafka.conn import collect_hosts, create_conn
from aiokafka.errors import KafkaConnectionError, SaslAuthenticationFailed
from aiokafka.protocol.metadata import MetadataRequest
from penchant_core.errors import InvalidSetting, Unavailable

from penchant_adapters.kafka.translation import translating
from penchant_adapters.patience import patiently
from penchant_adapters.settings_groups import KafkaSettings

REQUEST_MS = 20_000
"""Milliseconds that one request may take."""
PROBE_MS = 10_000
RECORD_OVERHEAD = 1 << 10
"""Bytes that the frame of a batch with one record takes at most."""
DEAD_LETTER_OVERHEAD = 64 << 10
"""Bytes of headers that a dead letter has more than its record, and of its frame."""
_BATCH_BYTES = 64 << 10

Client = TypeVar("Client")


def connection(settings: KafkaSettings, client_id: str = "penchant") -> dict[str, Any]:
    """Return the arguments that consumers, producers and admin clients of aiokafka have in common.

    Files with passwords and certificates are read now, the one with a token for every new connection. Raises
    ``InvalidSetting``.
    """
    arguments: dict[str, Any] = {
        "bootstrap_servers": [address.strip() for address in settings.bootstrap.split(",") if address.strip()],
        "client_id": client_id,
        "request_timeout_ms": REQUEST_MS,
        "security_protocol": settings.security_protocol,
    }
    if settings.security_protocol in ("SSL", "SASL_SSL"):
        arguments["ssl_context"] = _tls(settings)
    if settings.security_protocol.startswith("SASL"):
        arguments["sasl_mechanism"] = settings.sasl_mechanism
        if settings.sasl_mechanism == "OAUTHBEARER":
            arguments["sasl_oauth_token_provider"] = _Token(settings.token_file)
        else:
            if not settings.username:
                raise InvalidSetting(f"is needed with {settings.sasl_mechanism}", field="kafka.username")
            arguments["sasl_plain_username"] = settings.username
            arguments["sasl_plain_password"] = _secret(settings.password_file, "kafka.password_file")
    return arguments


def producer(settings: KafkaSettings, client_id: str = "penchant", **more: Any) -> AIOKafkaProducer:
    """Return a producer that is not started: a record is sent once, in order, and told when all replicas have it."""
    arguments = {
        "acks": "all",
        "enable_idempotence": True,
        # A quarter of the time that the client's lz4 takes, at its highest level, and a quarter less to carry.
        "compression_type": "zstd" if has_zstd() else None,
        "max_request_size": settings.max_message_bytes,
        "max_batch_size": min(_BATCH_BYTES, settings.max_message_bytes),
    }
    return AIOKafkaProducer(**connection(settings, client_id) | arguments | more)


def consumer(settings: KafkaSettings, *topics: str, client_id: str = "penchant", **more: Any) -> AIOKafkaConsumer:
    """Return a consumer that is not started: it begins at the first record and commits nothing by itself."""
    arguments = {
        "enable_auto_commit": False,
        "auto_offset_reset": "earliest",
        "max_partition_fetch_bytes": max(1 << 20, settings.max_message_bytes + DEAD_LETTER_OVERHEAD),
    }
    return AIOKafkaConsumer(*topics, **connection(settings, client_id) | arguments | more)


def admin(settings: KafkaSettings, client_id: str = "penchant") -> AIOKafkaAdminClient:
    """Return an admin client that is not started."""
    return AIOKafkaAdminClient(**connection(settings, client_id))


@asynccontextmanager
async def started(client: Client, settings: KafkaSettings) -> AsyncIterator[Client]:
    """Start a client and stop it at the end of the block. What goes wrong inside is left as it is."""
    some: Any = client
    stop = some.close if isinstance(client, AIOKafkaAdminClient) else some.stop
    try:
        with translating(settings):
            await some.start()
        yield client
    finally:
        try:
            await stop()
        except asyncio.CancelledError:
            # While the broker is gone, aiokafka 0.14 lets out that it cancelled a task of its own.
            if (ours := asyncio.current_task()) is None or ours.cancelling():
                raise


async def probe(settings: KafkaSettings) -> None:
    """Connect to one of the brokers and say who we are. Raises ``Unavailable`` or ``InvalidSetting``.

    The clients' own start hides why it failed; this does not.
    """
    arguments = connection(settings)
    servers = arguments.pop("bootstrap_servers")
    arguments["request_timeout_ms"] = PROBE_MS
    failures: list[Unavailable] = []
    for host, port, _ in collect_hosts(servers):
        try:
            with translating(settings, f"{host}:{port}"):
                await _greet(host, port, arguments)
                return
        except Unavailable as failure:
            failures.append(failure)
    if not failures:
        raise InvalidSetting("names no broker", field="kafka.bootstrap")
    raise failures[0]


async def _greet(host: str, port: int, arguments: Mapping[str, Any]) -> None:
    opened = await create_conn(host, port, **arguments)
    try:
        # Brokers greet everybody: only a real request shows whether they talk to us.
        answer = await opened.send(MetadataRequest([]))
    except KafkaConnectionError as error:
        if arguments["security_protocol"] in ("PLAINTEXT", "SSL"):
            raise KafkaConnectionError("it hangs up after the greeting; does it want SASL?") from error
        raise
    finally:
        opened.close()
    # aiokafka misses that a token was refused; the broker then takes the request for more of the talk about it.
    if arguments.get("sasl_mechanism") == "OAUTHBEARER" and not answer.cluster_id:
        raise SaslAuthenticationFailed("the token is refused")


async def connected_with_patience(settings: KafkaSettings) -> None:
    """Wait until a broker answers, for ``start_timeout`` seconds at most; wrong credentials fail at once."""
    await patiently(lambda: probe(settings), settings.start_timeout, "Kafka")


def _tls(settings: KafkaSettings) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=settings.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise InvalidSetting(f"{settings.ca_file} holds no certificates: {error}", field="kafka.ca_file") from error
    if (settings.cert_file is None) != (settings.key_file is None):
        missing = "kafka.key_file" if settings.key_file is None else "kafka.cert_file"
        raise InvalidSetting("cert_file and key_file are needed both, or neither", field=missing)
    if settings.cert_file is not None:
        try:
            context.load_cert_chain(settings.cert_file, settings.key_file)
        except (OSError, ssl.SSLError) as error:
            raise InvalidSetting(
                f"{settings.cert_file} and {settings.key_file} are no certificate with its key: {error}",
                field="kafka.cert_file",
            ) from error
    return context


def _secret(file: Path | None, field: str) -> str:
    if file is None:
        raise InvalidSetting("is needed: a file that holds nothing but the secret", field=field)
    with suppress(UnicodeDecodeError):
        try:
            secret = file.read_text(encoding="utf-8").strip("\r\n")
        except OSError as error:
            raise InvalidSetting(f"cannot be read: {error}", field=field) from error
        if secret:
            return secret
    raise InvalidSetting(f"{file} holds no text", field=field)


class _Token(AbstractTokenProvider):  # type: ignore[misc]  # aiokafka has no types
    """The token that stands in a file at the moment."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        _secret(file, "kafka.token_file")

    async def token(self) -> str:
        return await asyncio.to_thread(_secret, self._file, "kafka.token_file")
