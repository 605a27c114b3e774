"""Where torch runs a model, and with which numbers."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from penchant_core.errors import InvalidSetting

from penchant_adapters.encoders.schedule import Room
from penchant_adapters.vectortypes import Precision

# A CPU is as fast with 512 tokens as with more, and a search waits for less; a GPU needs many to be busy.
ROOMS = {"cuda": Room(1_024, 65_536), "mps": Room(256, 16_384), "cpu": Room(64, 512)}


def devices_of(wanted: str) -> list[torch.device]:
    """Return the devices that are meant; ``cuda`` and ``auto`` mean every GPU that this process may see.

    Raises ``InvalidSetting`` for one that is not usable here.
    """
    found = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(found if wanted == "auto" else wanted)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:  # torch without CUDA asserts
        raise InvalidSetting(f"{wanted!r} is not usable here; use auto, which gives {found}", field="device") from error
    if device.type not in ROOMS:
        raise InvalidSetting(f"{wanted!r} is not supported; use one of auto, {', '.join(ROOMS)}", field="device")
    if device.type == "cuda" and device.index is None:
        return [torch.device("cuda", number) for number in range(torch.cuda.device_count())]
    return [device]


def number_of(device: torch.device, wanted: Precision) -> torch.dtype:
    """Return what a model computes with on a device."""
    if wanted != "auto":
        number: torch.dtype = getattr(torch, wanted)
        return number
    if device.type != "cuda":  # few CPUs are faster with fewer bits, and torch does not tell which
        return torch.float32
    return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16


def name_of(number: torch.dtype) -> str:
    """Return it in a word."""
    return str(number).removeprefix("torch.")


def told(devices: Sequence[torch.device]) -> str:
    """Return them in words, for a log."""
    return ", ".join(map(str, devices))


def threads_each(devices: Sequence[torch.device]) -> int:
    """Return how many threads work at each of them.

    While one takes a batch's vectors from a GPU and finishes them, the other has the next one computed.
    """
    return 2 if devices[0].type == "cuda" else 1


class Streams:
    """Queues of kernels on a device, one for each thread that works there: one thread's do not wait for another's."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._own = threading.local()

    def mine(self) -> AbstractContextManager[object]:
        """Return that of the thread that asks; only GPUs have any."""
        if self._device.type != "cuda":
            return nullcontext()
        if not hasattr(self._own, "stream"):
            self._own.stream = torch.cuda.Stream(self._device)  # type: ignore[no-untyped-call]
        return torch.cuda.stream(self._own.stream)


@contextmanager
def usable(place: str) -> Iterator[None]:
    """Say what to do where loading the model *place* fails."""
    try:
        yield
    except (OSError, ValueError, ImportError, RuntimeError, KeyError) as error:
        raise InvalidSetting(
            f"hf:{place} cannot be used: {error}; name a folder or a hub model with safetensors weights that"
            " transformers knows, and be online for the first load of a hub model",
            field="encoder",
        ) from error
