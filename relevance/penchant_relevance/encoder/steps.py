"""One step of training: a batch forward and back, in parts where memory does not hold it at once.

Source: Gao et al. 2021, "Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup": vectors first
without gradients, then the loss, then part by part again with them; the loss is that of the whole batch, with all its
negatives.
"""

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from penchant_adapters.encoders.batches import padded_batches
from penchant_core.errors import InvalidSetting
from torch import Tensor, nn

from penchant_relevance.encoder.settings import EncoderSettings
from penchant_relevance.encoder.tower import Tower
from penchant_relevance.sasrec import seeded

_log = logging.getLogger(__name__)
_TOO_LITTLE = "memory does not hold one text at once; train fewer weights with --lora 16, or read fewer --tokens"
PADDED_TOKENS = {"cuda": 65_536, "cpu": 2_048}
"""Of a part, at first."""


@dataclass
class Backward:
    """Puts a batch's gradients into the weights."""

    tower: Tower
    tokens: int = 0
    """Padded tokens of a part."""
    whole: bool = True
    """Whether memory held the gradients of a whole batch so far."""
    parts: int = field(default=0, init=False)
    """Of the newest batch."""

    def __post_init__(self) -> None:
        self.tokens = self.tokens or PADDED_TOKENS.get(self.tower.device.type, PADDED_TOKENS["cpu"])

    def __call__(self, texts: Sequence[str], loss: Callable[[Tensor], Tensor], seed: Sequence[int]) -> float:
        """Return the loss of unit vectors (N, C) of *texts*; *seed* draws the dropout.

        Out of memory, it goes on with parts of half the size; where one text is too much raises ``InvalidSetting``.
        """
        tokens = self.tower.tokens(texts)
        lengths = [len(ids) for ids in tokens["input_ids"]]
        while True:
            parts = list(padded_batches(lengths, self.tokens))
            self.parts = len(parts)
            try:
                return self._tried(tokens, parts, loss, seed)
            except (RuntimeError, MemoryError) as error:
                if not _exhausted(error):
                    raise
                if not self.whole and len(parts) == len(texts):
                    raise InvalidSetting(_TOO_LITTLE, field="device") from error
            # Outside of the handler: the failed attempt's tensors live as long as its traceback.
            _log.warning("out of memory with %d texts in %d parts; trying smaller ones", len(texts), len(parts))
            if self.whole:
                self.whole = False
            else:
                self.tokens = max(1, min(self.tokens, max(lengths) * len(texts)) // 2)
            self.tower.model.zero_grad(set_to_none=True)
            if self.tower.device.type == "cuda":
                torch.cuda.empty_cache()

    def _tried(
        self, tokens: Any, parts: list[list[int]], loss: Callable[[Tensor], Tensor], seed: Sequence[int]
    ) -> float:
        back = torch.argsort(torch.tensor([position for part in parts for position in part]))
        with torch.set_grad_enabled(self.whole):
            found = torch.cat([self._part(tokens, parts, at, seed) for at in range(len(parts))])
        vectors = found[back.to(found.device)]
        if not self.whole:
            vectors.requires_grad_()
        lost = loss(vectors)
        lost.backward()  # type: ignore[no-untyped-call]
        if not self.whole:
            assert vectors.grad is not None
            for at, part in enumerate(parts):
                (self._part(tokens, parts, at, seed) * vectors.grad[part]).sum().backward()  # type: ignore[no-untyped-call]
        return float(lost.detach())

    def _part(self, tokens: Any, parts: list[list[int]], at: int, seed: Sequence[int]) -> Tensor:
        with seeded(number_of([*seed, at]), self.tower.device):
            return self.tower.forward(tokens, parts[at])


def _exhausted(error: Exception) -> bool:
    """Tell whether memory ran out: torch says it on the CPU in words only."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return any(words in str(error) for words in ("not enough memory", "can't allocate memory"))


def number_of(seed: Sequence[int]) -> int:
    """Return one seed of several numbers."""
    return int(np.random.SeedSequence(list(seed)).generate_state(1, np.uint64)[0] >> np.uint64(1))


def rate_at(done: float, settings: EncoderSettings) -> float:
    """Return the rate of learning when so much of all steps is *done*, 0–1: up from 0, then down to 0."""
    if done < settings.warmup:
        return settings.rate * done / settings.warmup
    left = (1.0 - done) / (1.0 - settings.warmup) if settings.warmup < 1.0 else 0.0
    return settings.rate * (left if settings.schedule == "linear" else (1.0 - math.cos(math.pi * left)) / 2.0)


def optimizer_of(tower: Tower, settings: EncoderSettings) -> torch.optim.AdamW:
    """Return AdamW; biases and norms, which have one dimension, do not decay."""
    groups: dict[bool, list[nn.Parameter]] = {True: [], False: []}
    for weight in tower.learning().values():
        groups[weight.ndim > 1].append(weight)
    return torch.optim.AdamW(
        [{"params": groups[True], "weight_decay": settings.decay}, {"params": groups[False], "weight_decay": 0.0}],
        lr=settings.rate,
    )
