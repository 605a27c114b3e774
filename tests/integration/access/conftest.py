"""Keys, certificates and what is asked with them: what the tests of access share."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest
import trustme
from google.rpc import code_pb2
from penchant.v1.recommendation_pb2 import StreamStart, WatchRecommendationsRequest
from penchant_adapters.settings_groups import AccessSettings

from tests.integration.conftest import Client, reason, served, status

PATIENCE = 20.0
OLD, NEW, SHOP, WRONG = "pk_old", "pk_new", "pk_shop", "pk_nobody"
WATCH = WatchRecommendationsRequest(open=StreamStart(user_id="u"))
Metadata = tuple[tuple[str, str], ...]


def bearer(key: str) -> Metadata:
    return (("authorization", f"Bearer {key}"),)


def lines(**names: str) -> str:
    """The file's text: NAME=KEY,KEY."""
    return "".join(
        f"{name} {hashlib.sha256(key.encode()).hexdigest()}\n"
        for name, keys in names.items()
        for key in keys.split(",")
    )


def replace(file: Path, text: str | None) -> None:
    """Put another file in the place of a file, in one step; None: none."""
    if text is None:
        file.unlink()
        return
    beside = file.with_suffix(".new")
    beside.write_text(text)
    beside.replace(file)


async def until(true: Callable[[], Any]) -> None:
    """Wait for a fact, given as a function or as one that makes something to await."""
    async with asyncio.timeout(PATIENCE):
        while True:
            told = true()
            if await told if asyncio.iscoroutine(told) else told:
                return
            await asyncio.sleep(0.02)


async def refused(call: Any) -> bool:
    """True when a call is refused for its key; its answer otherwise goes by."""
    try:
        await call
    except grpc.aio.AioRpcError as error:
        found = status(error)
        assert (found.code, reason(found)) == (code_pb2.UNAUTHENTICATED, "UNAUTHENTICATED")
        return True
    return False


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    file = tmp_path / "keys"
    file.write_text(lines(web=f"{OLD},{NEW}", shop=SHOP))
    return file


@asynccontextmanager
async def guarded(store: Path, keys: Path) -> AsyncIterator[Client]:
    async with served(store, access=AccessSettings(api_keys_file=keys)) as client:
        yield client


@dataclass
class Authority:
    """One that issues certificates, and files of them."""

    folder: Path
    made: trustme.CA = field(default_factory=trustme.CA)

    def __post_init__(self) -> None:
        self.folder.mkdir()
        self.made.cert_pem.write_to_path(self.ca)

    @property
    def ca(self) -> Path:
        return self.folder / "ca.pem"

    def issue(self, name: str, *hosts: str) -> tuple[Path, Path]:
        """Certificate and key."""
        pair = self.made.issue_cert(*(hosts or (name,)))
        cert, key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        pair.cert_chain_pems[0].write_to_path(cert)
        pair.private_key_pem.write_to_path(key)
        return cert, key


@pytest.fixture
def ours(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "ours")


@pytest.fixture
def theirs(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "theirs")


def access(authority: Authority, **more: Any) -> AccessSettings:
    cert, key = authority.issue("service", "127.0.0.1")
    return AccessSettings(cert_file=cert, key_file=key, **more)


def address_of(client: Client) -> str:
    assert client.service is not None
    return client.service.address
