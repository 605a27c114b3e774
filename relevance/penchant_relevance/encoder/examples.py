"""What an encoder learns from a log: pairs of what a user liked and what they liked next, in batches of texts.

A batch is windows of users' paths. Every text of it is encoded once, and every step of every window is asked for twice:
by the mean of the newest things liked before it, weighed as the score weighs them, and by one thing liked near it.

Shapes: P pairs, N texts of a batch, U users, I items.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from penchant_core.errors import InvalidSetting

from penchant_relevance.asks import Asks
from penchant_relevance.encoder.settings import EncoderSettings
from penchant_relevance.log import Indices
from penchant_relevance.sasrec import Path, paths_of, windows

WINDOW = 12
"""Things of a window, and the next one."""
REACH = 3
"""Steps between two things that were liked near each other."""
HELD_OUT = 0.05
"""Part of the users that nothing is learnt from; their pairs are the validation loss."""
MOST_HELD_OUT = 2_000
LEAST_PAIRS = 50


@dataclass(frozen=True)
class Batch:
    """Texts, and which of them stand before which."""

    items: Indices
    """Positions in the log's items, each once, shape (N,); those no pair speaks of come last."""
    before: sp.csr_matrix
    """Weights of what stands before the target, each row adding up to 1, shape (P, N)."""
    target: Indices
    """Positions in ``items``, shape (P,)."""
    users: Indices
    """Positions in the log's users, shape (P,)."""

    def __len__(self) -> int:
        return len(self.target)


class Examples:
    """The pairs of what models may see before the first ask."""

    def __init__(self, asks: Asks, settings: EncoderSettings, rank_decay: float) -> None:
        """*rank_decay*: what the score weighs a thing by, for each that is newer. Raises ``InvalidSetting``."""
        self.settings, self._rank_decay = settings, rank_decay
        self.words = np.array([bool(item.words.strip()) for item in asks.log.items])
        """Which items say something, (I,)."""
        paths = [path for path in map(self._told, paths_of(asks)) if (path.before >= 0).any()]
        random = np.random.default_rng((settings.seed, 0))
        held_out = random.random(len(paths)) < HELD_OUT
        if len(paths) > 1:
            held_out[random.integers(0, len(paths), 2)] = True, False
        self.paths = [path for path, held in zip(paths, held_out, strict=True) if not held]
        self.held_out = [path for path, held in zip(paths, held_out, strict=True) if held][:MOST_HELD_OUT]
        self.liked = _liked(paths, len(asks.log.users), len(asks.log.items))
        """Which items a user likes, (U, I), of what models may see."""
        self.visits = np.asarray(_liked(self.paths, len(asks.log.users), len(asks.log.items)).sum(axis=0)).ravel()
        found = 2 * sum(int((path.before >= 0).sum()) for path in self.paths)
        if found < LEAST_PAIRS:
            raise InvalidSetting(
                f"users liked {found:,} pairs of items with words one after the other; nothing is learnt from fewer"
                f" than {LEAST_PAIRS}",
                field="events",
            )
        texts = {item.words: position for position, item in enumerate(asks.log.items)}
        self.same = np.array([texts[item.words] for item in asks.log.items], np.int64)
        """Per item, the number of its words: equal words are one text to the model."""

    def _told(self, path: Path) -> Path:
        """Return a path without the items that say nothing."""
        kept = self.words[path.items]
        places = np.concatenate(([-1], np.cumsum(kept) - 1))
        return Path(path.items[kept], places[path.before[kept] + 1], path.user)

    def epoch(self, number: int) -> list[Batch]:
        """Return the batches of an epoch, from 0, the same every time."""
        settings = self.settings
        random = np.random.default_rng((settings.seed, 1, number))
        cut = windows(self.paths, WINDOW, random)
        chosen, pairs = [], 0
        for position in random.permutation(len(cut)):
            if pairs >= settings.pairs:
                break
            chosen.append(cut[position])
            pairs += 2 * int((cut[position].before >= 0).sum())
        return [self._batch(part, random) for part in self._parts(chosen, settings.batch - settings.hard)]

    def validation(self) -> Batch:
        """Return the pairs of users that nothing is learnt from, as one batch."""
        random = np.random.default_rng((self.settings.seed, 2))
        return self._batch(windows(self.held_out, WINDOW, random), random)

    def _parts(self, cut: Sequence[Path], most: int) -> Iterator[list[Path]]:
        """Yield windows of up to *most* different items together."""
        part: list[Path] = []
        there: set[int] = set()
        for window in cut:
            items = set(window.items.tolist())
            if part and len(there | items) > most:
                yield part
                part, there = [], set()
            part.append(window)
            there |= items
        # A batch of one window has no negatives.
        if len(part) > 1:
            yield part

    def _batch(self, part: Sequence[Path], random: np.random.Generator) -> Batch:
        items, places = np.unique(np.concatenate([window.items for window in part]), return_inverse=True)
        rows: list[tuple[Indices, NDArray[np.floating]]] = []
        targets, users, start = [], [], 0
        for window in part:
            for at in np.flatnonzero(window.before >= 0).tolist():
                newest = int(window.before[at])
                read = np.arange(newest, max(-1, newest - self.settings.history), -1)
                near = [p for p in range(max(0, at - REACH), min(len(window.items), at + REACH + 1)) if p != at]
                rows.append((places[start + read], self._rank_decay ** np.arange(len(read))))
                rows.append((places[[start + int(random.choice(near))]], np.ones(1)))
                targets += [places[start + at]] * 2
                users += [window.user] * 2
            start += len(window.items)
        ends = np.cumsum([0, *(len(row) for row, _ in rows)])
        weights = np.concatenate([weight / weight.sum() for _, weight in rows]).astype(np.float32)
        before = sp.csr_matrix((weights, np.concatenate([row for row, _ in rows]), ends), (len(rows), len(items)))
        return Batch(items, before, np.array(targets, np.int64), np.array(users, np.int64))


def _liked(paths: Sequence[Path], n_users: int, n_items: int) -> sp.csr_matrix:
    rows = np.repeat([path.user for path in paths], [len(path.items) for path in paths])
    columns = np.concatenate([path.items for path in paths]) if paths else np.empty(0, np.int64)
    return sp.csr_matrix((np.ones(len(columns), np.float32), (rows, columns)), (n_users, n_items))
