"""How far an import has come, on disk, so that the same command goes on where it stopped."""

import json
from dataclasses import asdict, dataclass
from hashlib import blake2b
from pathlib import Path

from penchant_adapters.wholefiles import write_whole

from penchant_cli.importing.errors import FileRefused

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Progress:
    """What is known of an import that was begun."""

    now_ms: int
    """The "now" of the first run, in milliseconds since 1970: a later run checks times against the same one."""
    total: int
    """Records that passed the checks."""
    acknowledged: int = 0
    """Records that the service has answered for, from the first one on."""
    refused: int = 0
    """Records among them that it refused."""

    @property
    def finished(self) -> bool:
        """True when every record was acknowledged."""
        return self.acknowledged == self.total


class ProgressFile:
    """One import's progress under a state directory."""

    def __init__(self, folder: Path, name: str) -> None:
        self.path = folder / f"{name}.json"

    def load(self) -> Progress | None:
        """Return what was saved last, or None. Raises FileRefused when that cannot be read."""
        try:
            return Progress(**json.loads(self.path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError) as error:
            raise FileRefused(f"{self.path}: cannot be read ({error}); --restart begins the import anew") from error

    def save(self, progress: Progress) -> None:
        """Put *progress* on disk before returning; a crash leaves the old or the new one."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(self.path, json.dumps(asdict(progress)).encode())

    def forget(self) -> None:
        """Delete what was saved."""
        self.path.unlink(missing_ok=True)


def import_name(path: Path, kind: str, fingerprint: str, target: str) -> str:
    """Return a name for an import: the same for the same file content, kind, options and service."""
    digest = blake2b(f"{kind}\x1f{fingerprint}\x1f{target}".encode(), digest_size=16)
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
    except OSError as error:
        raise FileRefused(f"{path}: cannot be read: {error.strerror}") from error
    return digest.hexdigest()
