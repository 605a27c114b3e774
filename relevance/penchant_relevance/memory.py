"""How much memory a process has used."""

import sys
from pathlib import Path

_STATUS = Path("/proc/self/status")


def peak_bytes_of_process() -> int:
    """Return the most memory that this process had resident at once so far; 0: not known.

    On Linux not ``getrusage``: what that says of a new process begins with the size of the one that started it.
    """
    if _STATUS.exists():
        lines = dict(line.split(":", 1) for line in _STATUS.read_text().splitlines() if ":" in line)
        return int(lines["VmHWM"].split()[0]) << 10
    try:
        import resource  # noqa: PLC0415 not on Windows
    except ImportError:
        return 0
    # Kibibytes, but on macOS.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
