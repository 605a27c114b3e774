"""What training takes."""

import sys

import torch


def peak_bytes(device: torch.device) -> int:
    """Return the most memory used at once so far: of the device on CUDA, else of this process; 0: not known."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    try:
        import resource  # noqa: PLC0415 not on Windows
    except ImportError:
        return 0
    # Kibibytes, but on macOS.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
