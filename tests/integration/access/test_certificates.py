"""TLS, callers with certificates, and certificates that change."""

import asyncio
import shutil
import socket
import ssl
from pathlib import Path

import grpc
import penchant
import pytest
from penchant import Tls, aio
from structlog.testing import capture_logs

from tests.integration.access.conftest import PATIENCE, WATCH, Authority, access, address_of
from tests.integration.conftest import Client, served


async def answered(address: str, tls: bool | Tls, api_key: str = "") -> bool:
    """Whether a client of its own gets a list."""
    async with aio.Client(address, tls=tls, api_key=api_key, retries=0) as client:
        try:
            return len((await client.recommend("u")).items) == 10
        except penchant.Unavailable:
            return False


def shown(address: str) -> bytes:
    """The certificate that the service shows, in DER."""
    host, _, port = address.rpartition(":")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    with socket.create_connection((host, int(port)), 10) as plain, context.wrap_socket(plain) as secure:
        return secure.getpeercert(binary_form=True) or b""


async def test_with_tls_a_client_is_answered_when_it_trusts_the_certificate(
    store: Path, ours: Authority, theirs: Authority
) -> None:
    async with served(store, access=access(ours)) as client:
        address = address_of(client)
        assert await answered(address, Tls(ours.ca))
        assert not await answered(address, Tls(theirs.ca))
        assert not await answered(address, tls=True)
        assert not await answered(address, tls=False)


async def test_with_mutual_tls_only_callers_with_a_certificate_of_the_right_kind_are_answered(
    store: Path, ours: Authority, theirs: Authority
) -> None:
    mine, other = ours.issue("caller"), theirs.issue("caller")
    async with served(store, access=access(ours, client_ca_file=ours.ca)) as client:
        address = address_of(client)
        assert await answered(address, Tls(ours.ca, cert=mine[0], key=mine[1]))
        assert not await answered(address, Tls(ours.ca))
        assert not await answered(address, Tls(ours.ca, cert=other[0], key=other[1]))


async def test_a_new_certificate_is_shown_to_new_connections_while_open_streams_go_on(
    store: Path, ours: Authority, theirs: Authority
) -> None:
    settings = access(ours)
    assert settings.cert_file is not None
    assert settings.key_file is not None
    async with served(store, access=settings) as client:
        address = address_of(client)
        credentials = grpc.ssl_channel_credentials(ours.ca.read_bytes())
        async with grpc.aio.secure_channel(address, credentials) as channel:
            old = Client(channel)
            stream = old.lists.WatchRecommendations(WATCH)
            await stream.read()
            first = await asyncio.to_thread(shown, address)
            cert, key = theirs.issue("service", "127.0.0.1")
            with capture_logs() as told:
                # One file after the other: in between they do not fit, and the pair before stays.
                shutil.copy(cert, settings.cert_file)
                assert await asyncio.to_thread(shown, address) == first
                assert await asyncio.to_thread(shown, address) == first
                assert [one["log_level"] for one in told] == ["error"]
                shutil.copy(key, settings.key_file)
                assert await asyncio.to_thread(shown, address) != first
            assert await answered(address, Tls(theirs.ca))
            assert not await answered(address, Tls(ours.ca))
            await old.record("u", "like", "tent")
            async with asyncio.timeout(PATIENCE):
                assert (await stream.read()).update.order
            stream.cancel()


@pytest.mark.parametrize("broken", ["not a certificate", "", None])
async def test_a_broken_certificate_changes_nothing_and_is_told_once(
    broken: str | None, store: Path, ours: Authority
) -> None:
    settings = access(ours)
    assert settings.cert_file is not None
    async with served(store, access=settings) as client:
        if broken is None:
            settings.cert_file.unlink()
        else:
            settings.cert_file.write_text(broken)
        with capture_logs() as told:
            for _ in range(3):
                assert await answered(address_of(client), Tls(ours.ca))
        assert [one["log_level"] for one in told] == ["error"]
        assert str(settings.cert_file) in told[0]["error"]
