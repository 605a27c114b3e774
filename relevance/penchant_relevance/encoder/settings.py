"""How an encoder is fine-tuned."""

from dataclasses import dataclass
from typing import Literal

from penchant_relevance.metrics import SEED


@dataclass(frozen=True)
class EncoderSettings:
    """Everything that a run is made of beside its log and its model."""

    epochs: int = 5
    """At most."""
    patience: int = 2
    """Epochs without a gain after which training stops."""
    pairs: int = 40_000
    """Of an epoch, at most; of more, other users' are drawn for every epoch."""
    batch: int = 256
    """Different texts of a batch, of one process; each is the others' negative."""
    tokens: int = 64
    """Of a text that training reads, at most; what is applied reads as many as before."""
    history: int = 5
    """Newest things liked whose mean stands before the next one."""
    hard: int = 0
    """Texts of a batch that the model took for alike and no user liked together."""
    temperature: float = 0.1
    """What cosines are divided by, above 0."""
    popularity: float = 1.0
    """0–1: how much popular items, which stand in more batches, are held against others less."""
    rate: float = 1e-4
    decay: float = 0.01
    warmup: float = 0.1
    """Part of all steps, 0–1, in which the rate grows."""
    schedule: Literal["cosine", "linear"] = "cosine"
    """How it falls to 0 afterwards."""
    clip: float = 1.0
    """Greatest norm of a step's gradients."""
    dropout: float = 0.1
    lora: int = 0
    """Rank of low-rank adapters, which are trained in place of all weights; 0: all weights."""
    crop: float = 0.0
    """Part of the texts of a batch, 0–1, of which a run of words is kept."""
    mask: float = 0.0
    """Part of the words that are masked."""
    reorder: float = 0.0
    """Part of the texts of which a run of words is shuffled."""
    seed: int = SEED
