"""What ends an import: the file, or the service.

::

    PenchantError
    ├── FileRefused           the file or how it is to be read must be mended first; nothing was sent
    └── SendingStopped        the service cannot go on; the same command continues later
"""

from penchant_core.errors import PenchantError


class FileRefused(PenchantError):
    """The file, or the way it is to be read, must be mended first. Nothing was sent."""

    reason = "FILE_REFUSED"


class SendingStopped(PenchantError):
    """The service is unreachable or keeps refusing work; the same command goes on later."""

    reason = "SENDING_STOPPED"


class BadRecord(Exception):
    """One record breaks a limit; it is dropped and reported."""

    def __init__(self, field: str, problem: str, value: object = "") -> None:
        super().__init__(f"{field}: {problem}")
        self.value = value


class Skip(Exception):
    """A preset leaves a record out on purpose; it is counted, not held against the file."""
