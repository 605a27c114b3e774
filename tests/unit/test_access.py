"""What is in a keys file, what a caller presented, and where it is safe to listen."""

import hashlib
import re
from pathlib import Path

import grpc
import pytest
import trustme
from penchant_adapters.settings_groups import AccessSettings
from penchant_core.errors import InvalidSetting
from penchant_server.access import bound, opened_access, presented
from penchant_server.keys import FIELD, parsed
from structlog.testing import capture_logs

KEY = "pk_the-key-of-web"
OTHER = "pk_the-other-key-of-web"


def line(name: str, key: str) -> str:
    return f"{name} {hashlib.sha256(key.encode()).hexdigest()}"


def test_a_file_has_names_hashes_comments_and_two_keys_of_a_name() -> None:
    text = f"# who may call\n\n{line('web', KEY)}  # until June\n\t{line('web', OTHER).replace('a', 'A')}\n"
    assert parsed(text, "keys") == {hashlib.sha256(key.encode()).digest(): "web" for key in (KEY, OTHER)}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "keys: has no key"),
        ("# nobody\n", "keys: has no key"),
        (f"web {KEY}", "line 1: after the name must come the SHA-256"),
        (f"web {KEY.encode().hex()}", "line 1: after the name must come the SHA-256"),
        (f"\n{KEY}", "line 2: must be NAME SHA256-OF-KEY"),
        (f"{line('web', KEY)} x", "line 1: must be NAME SHA256-OF-KEY"),
        (f"{KEY} {'0' * 64}", "line 1: the name must be"),
        (f"we/b {'0' * 64}", "line 1: the name must be"),
        (f"{'w' * 65} {'0' * 64}", "line 1: the name must be"),
        (f"{line('web', KEY)}\n{line('shop', KEY)}", "line 2: is the same key as line 1"),
        ("\n".join(line("web", f"pk_{n}") for n in range(3)), "line 3: web has two keys already"),
    ],
)
def test_a_file_with_a_fault_is_refused_with_its_line_and_without_anything_that_may_be_a_key(
    text: str, told: str
) -> None:
    with pytest.raises(InvalidSetting) as refused:
        parsed(text, "keys")
    assert refused.value.field == FIELD
    assert told in str(refused.value)
    assert KEY not in str(refused.value)
    assert not re.search(r"[0-9a-f]{16}", str(refused.value))


@pytest.mark.parametrize(
    ("metadata", "key"),
    [
        ((("authorization", f"Bearer {KEY}"),), KEY),
        ((("authorization", f"bearer  {KEY} "),), KEY),
        ((("user-agent", "x"), ("x-api-key", KEY)), KEY),
        ((("authorization", "Bearer of somebody else's"), ("x-api-key", KEY)), KEY),
        ((("authorization", f"Basic {KEY}"),), ""),
        ((("authorization", "Bearer"),), ""),
        ((), ""),
    ],
)
def test_a_key_is_presented_in_one_of_two_ways(metadata: tuple[tuple[str, str], ...], key: str) -> None:
    assert presented(metadata) == key


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    authority = trustme.CA()
    pair = authority.issue_cert("localhost")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    pair.private_key_pem.write_to_path(tmp_path / "key.pem")
    pair.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    (tmp_path / "keys").write_text(line("web", KEY))
    return {
        "cert_file": tmp_path / "cert.pem",
        "key_file": tmp_path / "key.pem",
        "client_ca_file": tmp_path / "ca.pem",
        "api_keys_file": tmp_path / "keys",
    }


TLS = ("cert_file", "key_file")


async def listening(listen: str, files: dict[str, Path], *names: str, allow_plaintext: bool = False) -> str:
    settings = AccessSettings(allow_plaintext=allow_plaintext, **{name: files[name] for name in names})
    server = grpc.aio.server()
    try:
        async with opened_access(settings) as access:
            return await bound(server, listen, access)
    finally:
        await server.stop(None)


@pytest.mark.parametrize("listen", ["127.0.0.1:0", "127.9.9.9:0", "localhost:0"])
@pytest.mark.parametrize("names", [(), ("api_keys_file",), TLS])
async def test_on_loopback_anything_goes(listen: str, names: tuple[str, ...], files: dict[str, Path]) -> None:
    assert not (await listening(listen, files, *names)).endswith(":0")


@pytest.mark.parametrize("listen", ["0.0.0.0:0", "[::]:0", "192.0.2.1:50551", "penchant.example:50551"])
@pytest.mark.parametrize(
    ("names", "field"), [((), "cert_file"), (("api_keys_file",), "cert_file"), (TLS, "api_keys_file")]
)
async def test_elsewhere_a_service_without_tls_or_without_keys_is_refused(
    listen: str, names: tuple[str, ...], field: str, files: dict[str, Path]
) -> None:
    with pytest.raises(InvalidSetting) as refused:
        await listening(listen, files, *names)
    assert refused.value.field == f"access.{field}"
    assert listen in str(refused.value)
    assert "access.allow_plaintext" in str(refused.value)


@pytest.mark.parametrize("names", [(*TLS, "api_keys_file"), (*TLS, "client_ca_file")])
async def test_elsewhere_tls_with_keys_or_with_certificates_of_callers_is_enough(
    names: tuple[str, ...], files: dict[str, Path]
) -> None:
    with capture_logs() as told:
        assert not (await listening("0.0.0.0:0", files, *names)).endswith(":0")
    assert told == []


@pytest.mark.parametrize(
    ("names", "event"),
    [((), "serving without TLS"), (("api_keys_file",), "serving without TLS"), (TLS, "serving without keys")],
)
async def test_elsewhere_plaintext_is_allowed_when_asked_for_by_name_and_told_in_the_log(
    names: tuple[str, ...], event: str, files: dict[str, Path]
) -> None:
    with capture_logs() as told:
        assert not (await listening("0.0.0.0:0", files, *names, allow_plaintext=True)).endswith(":0")
    assert [(one["event"], one["log_level"]) for one in told] == [(event, "warning")]


@pytest.mark.parametrize(
    ("names", "field"),
    [(("cert_file",), "key_file"), (("key_file",), "cert_file"), (("client_ca_file",), "cert_file")],
)
async def test_half_of_what_tls_needs_is_refused(names: tuple[str, ...], field: str, files: dict[str, Path]) -> None:
    with pytest.raises(InvalidSetting) as refused:
        await listening("127.0.0.1:0", files, *names)
    assert refused.value.field == f"access.{field}"


@pytest.mark.parametrize(
    ("broken", "content", "field"),
    [
        ("cert_file", "nothing", "cert_file"),
        ("key_file", "nothing", "cert_file"),
        ("client_ca_file", "nothing", "client_ca_file"),
        ("api_keys_file", "web", "api_keys_file"),
        ("cert_file", None, "cert_file"),
        ("key_file", None, "key_file"),
        ("client_ca_file", None, "client_ca_file"),
        ("api_keys_file", None, "api_keys_file"),
    ],
)
async def test_a_file_that_cannot_be_used_is_refused_at_the_start_by_its_name(
    broken: str, content: str | None, field: str, files: dict[str, Path]
) -> None:
    if content is None:
        files[broken].unlink()
    else:
        files[broken].write_text(content)
    with pytest.raises(InvalidSetting) as refused:
        await listening("127.0.0.1:0", files, *files)
    assert refused.value.field == f"access.{field}"
    assert str(files[broken]) in str(refused.value)


async def test_an_encrypted_key_is_refused_and_nobody_is_asked_for_a_password(files: dict[str, Path]) -> None:
    from cryptography.hazmat.primitives import serialization

    key = serialization.load_pem_private_key(files["key_file"].read_bytes(), None)
    files["key_file"].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )
    with pytest.raises(InvalidSetting, match="the key is encrypted"):
        await listening("127.0.0.1:0", files, *TLS)


@pytest.mark.parametrize("listen", ["50551", "localhost", "127.0.0.1:http", ":1"])
async def test_an_address_that_is_none_is_refused(listen: str, files: dict[str, Path]) -> None:
    with pytest.raises(InvalidSetting, match="is not host:port"):
        await listening(listen, files)
