"""The service's certificate, read again when its files change. A pair that cannot be used changes nothing."""

import ssl
import threading
from pathlib import Path

import grpc
import structlog
from penchant_core.errors import InvalidSetting

from penchant_server.watched import Stamp, stamp

_log = structlog.get_logger()


class Certificates:
    """Certificate, key and, to ask callers for theirs, the certificates that those must come from."""

    def __init__(self, cert: Path, key: Path, client_ca: Path | None = None) -> None:
        """Read the files; raises InvalidSetting."""
        self._cert = cert
        self._key = key
        self._client_ca = client_ca
        self._paths = [cert, key, *([client_ca] if client_ca else [])]
        self._lock = threading.Lock()
        self._stamp = self._stamped()
        self._first = self._read()

    @property
    def credentials(self) -> grpc.ServerCredentials:
        """Credentials that look for a newer certificate at every new connection; open ones go on with theirs."""
        return grpc.dynamic_ssl_server_credentials(
            self._first,
            self._newer,  # type: ignore[arg-type]  # the stubs forget None
            require_client_authentication=self._client_ca is not None,
        )

    def _newer(self) -> grpc.ServerCertificateConfiguration | None:
        """Return what changed since the last look; None: nothing. Called by gRPC, in threads of its own."""
        with self._lock:
            found = self._stamped()
            if found == self._stamp:
                return None
            self._stamp = found  # first, so that bad files are told once
            try:
                newer = self._read()
                # Certificate and key are two files: what was read may be half of the next pair.
                if self._stamped() != found:
                    self._stamp = ()
                    return None
            except InvalidSetting as error:
                _log.error("the certificate cannot be used; the one before stays", error=str(error))
                return None
            _log.info("the certificate was read again", file=str(self._cert))
            return newer

    def _stamped(self) -> Stamp:
        try:
            return stamp(*self._paths)
        except OSError:
            return ()

    def _read(self) -> grpc.ServerCertificateConfiguration:
        cert, key = _content(self._cert, "access.cert_file"), _content(self._key, "access.key_file")
        ca = _content(self._client_ca, "access.client_ca_file") if self._client_ca else None
        # gRPC takes whatever it is given and then fails every handshake; OpenSSL says what is wrong.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            context.load_cert_chain(self._cert, self._key, password=_no_password)
        except (ssl.SSLError, ValueError) as error:
            raise InvalidSetting(
                f"{self._cert} and {self._key} are not a certificate chain and its key, in PEM, without password "
                f"({_told(error)})",
                field="access.cert_file",
            ) from error
        if ca is not None:
            try:
                context.load_verify_locations(cadata=ca.decode())
            except (ssl.SSLError, ValueError) as error:
                raise InvalidSetting(
                    f"{self._client_ca} holds no certificates in PEM ({_told(error)})", field="access.client_ca_file"
                ) from error
        return grpc.ssl_server_certificate_configuration([(key, cert)], ca)


def _no_password() -> str:
    raise ValueError("the key is encrypted")  # else OpenSSL asks at the terminal


def _told(error: Exception) -> str:
    return getattr(error, "reason", None) or (str(error) if type(error) is ValueError else type(error).__name__)


def _content(path: Path, field: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidSetting(f"cannot read {path}: {error.strerror}", field=field) from error
