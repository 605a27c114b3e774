"""What training takes."""

import torch

from penchant_relevance.memory import peak_bytes_of_process


def peak_bytes(device: torch.device) -> int:
    """Return the most memory used at once so far: of the device on CUDA, else of this process; 0: not known."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    return peak_bytes_of_process()
