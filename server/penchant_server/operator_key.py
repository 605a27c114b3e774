"""The operator's key: who can read the data directory may change what the service is made of."""

import os
import secrets
from collections.abc import Iterable
from hmac import compare_digest
from pathlib import Path
from typing import Any

from penchant_core.errors import InvalidSetting

from penchant_server.faults import Unauthenticated

FILE = "operator.key"
METADATA = "x-penchant-operator-key"


def operator_key(folder: Path) -> str:
    """Return the key of a data directory, made on first use, readable by its owner only. Raises ``InvalidSetting``."""
    file = folder / FILE
    try:
        if not file.exists() or not file.read_text().strip():
            draft = folder / f".{FILE}.{secrets.token_hex(8)}.new"
            handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w") as opened:
                opened.write(secrets.token_urlsafe(32) + "\n")
            draft.replace(file)
        return file.read_text().strip()
    except OSError as error:
        raise InvalidSetting(f"cannot keep {file}: {error.strerror}", field="data_dir") from error


def refuse_others(key: str, metadata: Iterable[tuple[str, Any]]) -> None:
    """Raise ``Unauthenticated`` for a caller who does not send the key."""
    sent = next((str(value) for name, value in metadata if name == METADATA), "")
    if not compare_digest(sent.encode(), key.encode()):
        raise Unauthenticated(
            f"models are changed with the operator's key only: send the content of {FILE} in the service's data_dir "
            f"as metadata {METADATA}"
        )
