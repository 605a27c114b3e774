"""Several processes that train one model, started by ``accelerate launch`` or ``torchrun``; by default there is one.

Each takes its part of the batches, the gradients are averaged, and the first alone measures, writes and speaks.
"""

import os
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import torch
from accelerate import PartialState
from accelerate.utils import broadcast_object_list, reduce
from torch import Tensor

from penchant_relevance.sasrec_choice import device_of

LONGEST = timedelta(hours=24)
"""Others wait so long for the first, which encodes the catalogue after every epoch."""


class Processes:
    """This process among those that train."""

    def __init__(self, device: str) -> None:
        """*device*: as for ``device_of``; several processes have one each. Raises ``InvalidSetting``."""
        place = device_of(device)
        more = {"timeout": LONGEST} if int(os.environ.get("WORLD_SIZE", "1")) > 1 else {}
        self._state = PartialState(cpu=place.type == "cpu", **more)
        self.count, self.number = self._state.num_processes, self._state.process_index
        self.device: torch.device = self._state.device if self.count > 1 else place

    @property
    def first(self) -> bool:
        """Whether this is the one that measures, writes and speaks."""
        return bool(self.number == 0)

    def mean(self, values: Sequence[Tensor]) -> None:
        """Put into every tensor its mean over the processes."""
        if self.count == 1:
            return
        together = reduce(torch.cat([value.reshape(-1) for value in values]), "mean")
        start = 0
        for value in values:
            value.copy_(together[start : start + value.numel()].view_as(value))
            start += value.numel()

    def told(self, said: Any) -> Any:
        """Return what the first process says."""
        if self.count == 1:
            return said
        box = [said]
        broadcast_object_list(box)
        return box[0]

    def wait(self) -> None:
        """Wait until all are here."""
        self._state.wait_for_everyone()

    def close(self) -> None:
        """Leave the others, at the end."""
        if self.count > 1:
            self._state.destroy_process_group()
