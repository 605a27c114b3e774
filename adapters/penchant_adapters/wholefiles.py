"""Files that are written whole: whoever reads meanwhile, or after a crash, finds the old one or the new one."""

import os
import secrets
from contextlib import suppress
from pathlib import Path


def write_whole(path: Path, content: bytes) -> None:
    """Write a file in an existing folder; on disk before this returns, or as it was. Raises ``OSError``."""
    # Hidden and of another suffix: no reader of a folder takes a draft for the thing itself.
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}.new")
    try:
        with draft.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        _sync(path.parent)
    finally:
        with suppress(OSError):
            draft.unlink()


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
