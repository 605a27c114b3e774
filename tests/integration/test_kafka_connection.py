"""Connections to a real broker: who may, who may not, and what they are told."""

import asyncio
import base64
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
import structlog
import trustme
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from penchant_adapters.kafka.connection import connected_with_patience, connection, consumer, probe, producer, started
from penchant_adapters.kafka.topics import Topics, check, create
from penchant_adapters.kafka.translation import translating
from penchant_adapters.settings_groups import KafkaSettings
from penchant_bench.neighbours.kafka import Broker, Certificates, Protocol, Security
from penchant_bench.neighbours.process import free_port
from penchant_core.errors import InvalidSetting, PenchantError, Unavailable

from tests.kafka import here, settings_for


@dataclass(frozen=True)
class Secured:
    """A broker that wants to know who one is, and the files of its clients."""

    broker: Broker
    files: Path

    def settings(self, protocol: Protocol, prefix: str = "x", **more: Any) -> KafkaSettings:
        given: dict[str, Any] = {"security_protocol": protocol, "bootstrap": self.broker.address(protocol)}
        if protocol in ("SSL", "SASL_SSL"):
            given["ca_file"] = self.files / "ca.pem"
        if protocol == "SSL":
            given |= {"cert_file": self.files / "client.pem", "key_file": self.files / "client.key"}
        if protocol.startswith("SASL"):
            given |= {"username": "anna", "password_file": self.files / "password"}
        return settings_for(self.broker, prefix, **given | more)


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    files = tmp_path_factory.mktemp("files")
    authority, stranger = trustme.CA(), trustme.CA()
    server, client = authority.issue_cert("127.0.0.1"), authority.issue_cert("client@example.org")
    authority.cert_pem.write_to_path(files / "ca.pem")
    stranger.cert_pem.write_to_path(files / "other-ca.pem")
    for name, cert in {"client": client, "other": stranger.issue_cert("client@example.org")}.items():
        cert.cert_chain_pems[0].write_to_path(files / f"{name}.pem")
        cert.private_key_pem.write_to_path(files / f"{name}.key")
    (files / "password").write_text("s e=cret\n")
    (files / "wrong").write_text("guess\n")
    key = load_pem_private_key(server.private_key_pem.bytes(), None)
    certificates = Certificates(
        server.cert_chain_pems[0].bytes().decode(),
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
        authority.cert_pem.bytes().decode(),
    )
    security = Security(certificates, {"anna": "s e=cret"}, {"nobody": "s e=cret"})
    broker = here(Broker(tmp_path_factory.mktemp("secured"), security=security))
    yield Secured(broker, files)
    broker.stop()


def token(name: str, lasting: int) -> str:
    """A token without a signature, as Kafka takes it in trials."""
    now = int(time.time())
    parts = [{"alg": "none"}, {"sub": name, "iat": now - 10, "exp": now + lasting}]
    return ".".join(base64.urlsafe_b64encode(json.dumps(p).encode()).decode().rstrip("=") for p in parts) + "."


async def round_trip(settings: KafkaSettings) -> None:
    """Make topics, write a record and read it."""
    await create(settings)
    topic = Topics.of(settings).events
    async with started(producer(settings), settings) as sender:
        await sender.send_and_wait(topic, b"value", b"key")
    async with started(consumer(settings, topic), settings) as reader:
        assert (await asyncio.wait_for(reader.getone(), 20)).value == b"value"


@pytest.mark.parametrize(
    ("protocol", "mechanism"),
    [
        ("PLAINTEXT", "PLAIN"),
        ("SASL_PLAINTEXT", "PLAIN"),
        ("SASL_PLAINTEXT", "SCRAM-SHA-256"),
        ("SASL_SSL", "SCRAM-SHA-512"),
        ("SSL", "PLAIN"),
    ],
)
async def test_records_go_through_every_kind_of_connection(
    secured: Secured, prefix: str, protocol: Protocol, mechanism: str
) -> None:
    await round_trip(secured.settings(protocol, prefix, sasl_mechanism=mechanism))


async def test_a_token_is_read_anew_for_every_connection(secured: Secured, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(token("anna", 600))
    settings = secured.settings("SASL_SSL", sasl_mechanism="OAUTHBEARER", token_file=file)
    provider = connection(settings)["sasl_oauth_token_provider"]
    await probe(settings)
    file.write_text(token("anna", -600) + "garbage")
    assert await provider.token() == file.read_text()
    with pytest.raises(InvalidSetting, match=r"kafka\.token_file"):
        await probe(settings)


@pytest.mark.parametrize(
    ("protocol", "wrong", "field", "told"),
    [
        ("SASL_PLAINTEXT", {"password_file": "wrong"}, "password_file", "refuses user 'anna' with SCRAM-SHA-512"),
        ("SASL_SSL", {"password_file": "wrong", "sasl_mechanism": "PLAIN"}, "password_file", "refuses user 'anna'"),
        ("SASL_SSL", {"username": "ghost"}, "password_file", "refuses user 'ghost'"),
        ("SASL_SSL", {"ca_file": "other-ca.pem"}, "ca_file", "is not trusted"),
        ("SASL_SSL", {"ca_file": None}, "ca_file", "is not trusted"),
        ("SSL", {"cert_file": None, "key_file": None}, "cert_file", "refuses our certificate"),
        ("SSL", {"cert_file": "other.pem", "key_file": "other.key"}, "cert_file", "refuses our certificate"),
        ("SSL", {"cert_file": "client.pem", "key_file": "other.key"}, "cert_file", "no certificate with its key"),
        ("SSL", {"key_file": None}, "key_file", "both"),
        ("SASL_SSL", {"password_file": "absent"}, "password_file", "cannot be read"),
        ("SASL_SSL", {"password_file": None}, "password_file", "is needed"),
        ("SASL_SSL", {"username": ""}, "username", "is needed"),
        ("SASL_SSL", {"ca_file": "absent"}, "ca_file", "holds no certificates"),
    ],
)
async def test_wrong_credentials_fail_at_once_and_name_the_setting(
    secured: Secured, protocol: Protocol, wrong: dict[str, Any], field: str, told: str
) -> None:
    more = {name: secured.files / value if value and name.endswith("_file") else value for name, value in wrong.items()}
    settings = secured.settings(protocol, **more)
    with pytest.raises(InvalidSetting, match=told) as refused:
        await asyncio.wait_for(connected_with_patience(settings), 20)
    assert refused.value.field == f"kafka.{field}"
    assert "s e=cret" not in str(refused.value)


async def test_tls_to_a_listener_without_it_names_the_protocol(secured: Secured) -> None:
    settings = secured.settings("SASL_SSL", bootstrap=secured.broker.bootstrap)
    with pytest.raises(PenchantError, match=r"SASL_SSL is not what|cannot be reached"):
        await probe(settings)


async def test_a_user_without_rights_is_told_so(secured: Secured, prefix: str) -> None:
    await create(secured.settings("PLAINTEXT", prefix))
    settings = secured.settings("SASL_SSL", prefix, username="nobody")
    await connected_with_patience(settings)
    with pytest.raises(InvalidSetting, match=r"kafka\.username: .*'nobody'.*rights"):
        await check(settings)


async def test_unreachable_brokers_are_tried_again_until_the_time_is_over() -> None:
    settings = KafkaSettings(bootstrap=f"127.0.0.1:{free_port()}", start_timeout=2.5)
    with structlog.testing.capture_logs() as said, pytest.raises(Unavailable, match="cannot be reached"):
        await asyncio.wait_for(connected_with_patience(settings), 20)
    assert {one["event"] for one in said} == {"waiting for Kafka"}
    assert [one["again_in"] for one in said][:3] == [0.2, 0.4, 0.8]


async def test_a_broker_that_does_not_answer_is_not_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("penchant_adapters.kafka.connection.PROBE_MS", 200)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        settings = KafkaSettings(bootstrap=f"127.0.0.1:{mute.getsockname()[1]}", start_timeout=0.0)
        with pytest.raises(Unavailable):
            await asyncio.wait_for(connected_with_patience(settings), 20)


async def test_one_broker_that_answers_is_enough(broker: Broker) -> None:
    await probe(KafkaSettings(bootstrap=f"127.0.0.1:{free_port()}, {broker.bootstrap}"))


async def test_a_missing_topic_names_the_command_that_makes_it(broker: Broker, prefix: str) -> None:
    settings = settings_for(broker, prefix)
    async with started(producer(settings, request_timeout_ms=500), settings) as sender:
        with pytest.raises(Unavailable, match="penchant topics create"), translating(settings, f"{prefix}.events"):
            await sender.send_and_wait(f"{prefix}.events", b"x", b"k")


async def test_plain_words_to_a_listener_with_sasl_are_told_to_be_so(secured: Secured) -> None:
    settings = KafkaSettings(bootstrap=secured.broker.address("SASL_PLAINTEXT"))
    with pytest.raises(Unavailable, match=r"does it want SASL"):
        await probe(settings)


async def test_a_broker_keeps_its_address_and_its_records_over_ends_crashes_and_pauses(
    broker: Broker, tmp_path: Path, prefix: str
) -> None:
    del broker  # where it can run, others can
    command = [sys.executable, "-m", "penchant_bench.neighbours.kafka", str(tmp_path)]
    starter = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        assert starter.stdout is not None
        assert starter.stderr is not None
        address = (await starter.stdout.readline()).decode().removeprefix("address=").strip()
        assert address, (await starter.stderr.read()).decode()
        await round_trip(KafkaSettings(bootstrap=address, topic_prefix=prefix, partitions=1))
    finally:
        starter.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(starter.wait(), 30) == 0
    with Broker(tmp_path, port=int(address.split(":")[1])) as again:
        settings = settings_for(again, prefix)
        again.pause()
        waiting = asyncio.create_task(probe(settings))
        assert not (await asyncio.wait([waiting], timeout=0.5))[0]
        again.resume()
        await waiting
        async with started(consumer(settings, f"{prefix}.events"), settings) as reader:
            assert (await asyncio.wait_for(reader.getone(), 20)).value == b"value"
        assert again.bootstrap == address
        again.kill()
        with pytest.raises(Unavailable):
            await probe(settings)


STARTER = """
import sys, time
from pathlib import Path
from penchant_bench.neighbours.process import Guarded
print(Guarded(["sleep", "600"], Path(sys.argv[1])).process.pid, flush=True)
time.sleep(600)
"""


def test_nothing_outlives_a_starter_that_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", STARTER, str(tmp_path / "output")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout is not None
        child = psutil.Process(int(starter.stdout.readline()))
        family = psutil.Process(starter.pid).children(recursive=True)
        assert child in family
        starter.kill()
        assert psutil.wait_procs(family, timeout=30)[1] == []
