"""SASRec: a transformer that reads what a user liked, oldest first, and says what comes next. Needs penchant[torch].

Sources: Kang & McAuley 2018, "Self-Attentive Sequential Recommendation": the network. Klenitskiy & Vasilev 2023,
"Turning Dross Into Gold Loss: is BERT4Rec really better than SASRec?": cross-entropy over many negatives in place of
one. Petrov & Macdonald 2023, "gSASRec": why few negatives make it overconfident. GPT-2: norms before the blocks.
Logits are cosines over a temperature, so an item does not win by a long vector.

Shapes: B sequences, T steps, C numbers a step, H heads, M steps with a target, N candidates, I items.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 its usual name
from penchant_adapters.encoders.batches import padded_batches
from torch import Tensor, nn

from penchant_relevance.asks import Ask, Asks
from penchant_relevance.counting import Floats32
from penchant_relevance.log import Indices
from penchant_relevance.metrics import SEED

AT_ONCE = 256
"""Sequences that are scored at once."""


@dataclass(frozen=True)
class TrainingSettings:
    """What a network is like, and how it is trained."""

    width: int = 128
    """C, a multiple of ``heads``."""
    blocks: int = 2
    heads: int = 2
    length: int = 100
    """Newest items that are read; what is longer is cut into windows."""
    dropout: float = 0.2
    temperature: float = 0.07
    """What cosines are divided by, above 0: the lower, the surer."""
    negatives: int = 2_048
    """Items drawn for every batch, evenly, to stand beside its targets for all others."""
    batch: int = 2_048
    """Steps of a batch, with padding."""
    rate: float = 1e-3
    decay: float = 0.01
    epochs: int = 40
    """At most."""
    patience: int = 6
    """Epochs without gain after which training stops."""
    seed: int = SEED


@dataclass(frozen=True)
class Path:
    """What a user approved of, or a window of it: each item where it comes first, oldest first."""

    items: Indices
    before: Indices
    """Per item, the position of the newest item that was known before it and all that came with it; −1: none."""
    user: int = -1
    """Position in the log's users; −1: nobody's."""

    def window(self, start: int, end: int) -> "Path":
        """Return a part, which knows nothing of what is before it."""
        return Path(self.items[start:end], np.maximum(self.before[start:end] - start, -1), self.user)


class Block(nn.Module):
    """Every step attends to itself and the steps before it, then to its own features."""

    def __init__(self, settings: TrainingSettings) -> None:
        super().__init__()
        width = settings.width
        self.heads, self.dropout = settings.heads, settings.dropout
        self.norm_attention, self.norm_feed_forward = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query_key_value, self.output = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.feed_forward = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU("tanh"), nn.Linear(4 * width, width))
        self.drop = nn.Dropout(settings.dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, T, C) from (B, T, C)."""
        x = x + self.drop(self._attention(self.norm_attention(x)))  # (B, T, C)
        found: Tensor = x + self.drop(self.feed_forward(self.norm_feed_forward(x)))  # (B, T, C)
        return found

    def _attention(self, x: Tensor) -> Tensor:
        rows, steps, width = x.shape
        parts = self.query_key_value(x).view(rows, steps, 3, self.heads, -1)  # (B, T, 3, H, C/H)
        query, key, value = parts.permute(2, 0, 3, 1, 4)  # 3 × (B, H, T, C/H)
        dropout = self.dropout if self.training else 0.0
        heads = F.scaled_dot_product_attention(query, key, value, dropout_p=dropout, is_causal=True)  # (B, H, T, C/H)
        joined: Tensor = self.output(heads.transpose(1, 2).reshape(rows, steps, width))  # (B, T, C)
        return joined


class Network(nn.Module):
    """Items and their places become vectors, which blocks read; an item's vector serves as input and as candidate."""

    def __init__(self, n_items: int, settings: TrainingSettings) -> None:
        super().__init__()
        self.items, self.places = nn.Embedding(n_items, settings.width), nn.Embedding(settings.length, settings.width)
        for table in (self.items, self.places):
            nn.init.normal_(table.weight, std=0.02)
        self.drop, self.norm = nn.Dropout(settings.dropout), nn.LayerNorm(settings.width)
        self.blocks = nn.Sequential(*(Block(settings) for _ in range(settings.blocks)))

    def forward(self, items: Tensor, lengths: Tensor) -> Tensor:
        """Return unit states (B, T, C) of items (B, T), padded behind, that are *lengths* (B,) long.

        Places count from the newest item. No step sees a later one, so padding needs no mask.
        """
        steps = torch.arange(items.shape[1], device=items.device)  # (T,)
        places = (lengths[:, None] - 1 - steps).clamp(min=0)  # (B, T)
        x = self.drop(self.read(items) + self.places(places))  # (B, T, C)
        return F.normalize(self.norm(self.blocks(x)), dim=-1)  # (B, T, C)

    def read(self, items: Tensor) -> Tensor:
        """Return what is read of items (B, T): (B, T, C)."""
        found: Tensor = self.items(items)
        return found

    def candidates(self, items: Tensor) -> Tensor:
        """Return unit rows (N, C) of items (N,)."""
        return F.normalize(self.items(items), dim=-1)

    def loss(self, batch: Sequence[Path], settings: TrainingSettings) -> Tensor:
        """Return the mean cross-entropy of the items of *batch* that come after something."""
        device, n_items = self.items.weight.device, self.items.num_embeddings
        states = self(*padded([window.items[:-1] for window in batch], device))  # (B, T, C)
        rows = [np.full(len(window.items), row) for row, window in enumerate(batch)]
        parts = rows, [window.before for window in batch], [window.items for window in batch]
        told = np.stack([np.concatenate(part) for part in parts])  # (3, items of all windows)
        row, before, targets = torch.from_numpy(told[:, told[1] >= 0]).to(device)  # (M,) each
        candidates, columns, log_weights = among(targets, n_items, settings.negatives)  # (N,), (M,), (N,)
        logits = states[row, before] @ self.candidates(candidates).T / settings.temperature  # (M, N)
        return F.cross_entropy(logits + log_weights, columns)


def among(targets: Tensor, n_items: int, negatives: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return candidates (N,), the column of each of *targets* (M,) among them, and the logarithms of weights (N,).

    Candidates are the targets, each once, so that none is held against itself, and up to *negatives* others, drawn
    evenly, that stand for all others: so the sum over candidates estimates that over all items.
    """
    chosen = torch.zeros(n_items, dtype=torch.bool, device=targets.device)  # (I,)
    chosen[targets] = True
    others = (~chosen).nonzero()[:, 0]
    drawn = others[torch.randperm(len(others), device=targets.device)[:negatives]]
    log_weights = chosen.logical_not() * math.log(max(1, len(others)) / max(1, len(drawn)))  # (I,)
    chosen[drawn] = True
    candidates = chosen.nonzero()[:, 0]  # ascending
    return candidates, (chosen.cumsum(0) - 1)[targets], log_weights[candidates]


class SasRec:
    """A network that scores asks; users of whom nothing is known get what is popular."""

    def __init__(self, network: Network, settings: TrainingSettings, visits: Floats32) -> None:
        """*visits*: users who came to each item, shape (items,)."""
        self._network, self._length, self._visits = network.eval(), settings.length, visits
        self._candidates = all_candidates(network)  # (I, C)

    def scores(self, asks: Sequence[Ask]) -> Floats32:
        """Return the score of every item, shape (asks, items)."""
        found = np.repeat(self._visits[None, :], len(asks), axis=0)
        known = [row for row, ask in enumerate(asks) if len(ask.items)]
        read = [asks[row].items[once(asks[row].items)][-self._length :] for row in known]
        with torch.inference_mode():
            for rows, states in newest_states(self._network, read):
                found[np.array(known)[rows]] = (states @ self._candidates.T).cpu().numpy()  # (B, I)
        return found


def all_candidates(network: Network) -> Tensor:
    """Return unit rows (I, C) of all items."""
    with torch.inference_mode():
        return network.candidates(torch.arange(network.items.num_embeddings, device=network.items.weight.device))


def newest_states(network: Network, read: Sequence[Indices]) -> Iterator[tuple[slice, Tensor]]:
    """Yield, part by part, which of *read* (items, oldest first, at least one each) and their newest states (B, C)."""
    for start in range(0, len(read), AT_ONCE):
        part = read[start : start + AT_ONCE]
        with torch.inference_mode():
            items, lengths = padded(part, network.items.weight.device)  # (B, T), (B,)
            newest = torch.arange(len(part), device=items.device), lengths - 1
            yield slice(start, start + len(part)), network(items, lengths)[newest]


def training(paths: Sequence[Path], n_items: int, settings: TrainingSettings, device: torch.device) -> Iterator[SasRec]:
    """Train on *paths*, one a user; yield the model after every epoch: one model, which the next epoch changes."""
    visits = np.bincount(np.concatenate([path.items for path in paths]), minlength=n_items).astype(np.float32)
    with seeded(settings.seed, device):
        network = Network(n_items, settings).to(device)
    for _ in epochs(network, paths, settings):
        yield SasRec(network, settings, visits)


def epochs(network: Network, paths: Sequence[Path], settings: TrainingSettings) -> Iterator[float]:
    """Train a network on *paths*, one a user; yield after every epoch the mean of its loss."""
    random, device = np.random.default_rng(settings.seed), network.items.weight.device
    optimizer = torch.optim.AdamW(network.parameters(), lr=settings.rate, weight_decay=settings.decay)
    for epoch in range(settings.epochs):
        network.train()
        losses = []
        with seeded(settings.seed + epoch, device):
            for batch in batches(windows(paths, settings.length, random), settings.batch, random):
                optimizer.zero_grad()
                loss = network.loss(batch, settings)
                loss.backward()  # type: ignore[no-untyped-call]
                nn.utils.clip_grad_norm_(network.parameters(), 1.0)
                optimizer.step()
                losses.append(loss.detach())
        yield float(torch.stack(losses).mean())


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Start torch's random numbers anew; afterwards they go on as if nothing had been."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


def once(items: Indices) -> Indices:
    """Return where each item comes first: ascending positions."""
    return np.sort(np.unique(items, return_index=True)[1])


def paths_of(asks: Asks, positions: Indices | None = None) -> list[Path]:
    """Return the path of every user who approved of something in the events at *positions*.

    By default these are what models may see before the first ask.

    An item that a user comes to again counts the first time only, since what was met is not listed again. Items of one
    basket do not come after each other, since they are asked for together.
    """
    log, liked = asks.log, np.sort(asks.liked(asks.before() if positions is None else positions))
    order = np.argsort(log.user[liked], kind="stable")
    liked = liked[order]
    paths = []
    for steps in np.split(liked, np.flatnonzero(np.diff(log.user[liked])) + 1):
        kept = steps[once(log.item[steps])]
        starts = np.arange(len(kept))
        if log.baskets is not None and len(kept):
            starts[1:][np.diff(log.baskets[kept]) == 0] = 0
        user = int(log.user[kept[0]]) if len(kept) else -1
        paths.append(Path(log.item[kept], np.maximum.accumulate(starts) - 1, user))
    return paths


def windows(paths: Sequence[Path], length: int, random: np.random.Generator) -> list[Path]:
    """Cut paths into windows of up to *length* steps and one item more, the target of the last step."""
    cut = []
    for path in paths:
        end = len(path.items)
        ends = [end]
        if end > length + 1:
            # Cut elsewhere every time, so that it is not always the same targets that have little before them.
            ends += range(end - int(random.integers(1, length + 1)), 1, -length)
        cut += [path.window(max(0, end - length - 1), end) for end in ends]
    return [window for window in cut if (window.before >= 0).any()]


def batches(cut: Sequence[Path], steps: int, random: np.random.Generator) -> list[list[Path]]:
    """Return windows of like lengths together, up to *steps* steps a batch, padding counted, in random order."""
    shuffled = [cut[position] for position in random.permutation(len(cut))]
    lengths = [len(window.items) - 1 for window in shuffled]
    found = [[shuffled[position] for position in batch] for batch in padded_batches(lengths, steps)]
    return [found[position] for position in random.permutation(len(found))]


def padded(rows: Sequence[Indices], device: torch.device) -> tuple[Tensor, Tensor]:
    """Return sequences as items (B, T), 0 behind their ends, and their lengths (B,)."""
    lengths = np.array([len(row) for row in rows], np.int64)
    table = np.zeros((len(rows), int(lengths.max())), np.int64)
    table[np.arange(table.shape[1]) < lengths[:, None]] = np.concatenate(rows)
    return torch.from_numpy(table).to(device), torch.from_numpy(lengths).to(device)
