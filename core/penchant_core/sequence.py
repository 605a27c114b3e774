"""A sequence model: reads what a user liked, oldest first, and says where among the items the next one lies.

It is learnt from a log beforehand and frozen; what it reads is the ledger as it stands now. Every item has an embedding
z_i, made of its words and, where training saw the item, of what is its own::

    z_i = unit(E_i + A · v_i)          so an item that training never saw has one too
    q   = unit(network(z of what a user liked, oldest first))
    score(i) += weight · ⟨q, z_i⟩      a third part beside words and counts, another product for the vector store

The network is SASRec's (Kang & McAuley 2018, "Self-Attentive Sequential Recommendation"): blocks of causal attention
and feed-forward, norms before each (GPT-2), positions counted from the newest item. Only the newest step's output is
asked for, so the last block reads all steps and computes one.

Shapes: T steps, C numbers of an embedding, H heads, D numbers of a vector of words, I items that training saw.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b, sha256

import numpy as np
from numpy.typing import NDArray

from penchant_core.errors import InvalidSetting
from penchant_core.vectors import Matrix, Vector

Numbers = NDArray[np.uint64]
EPSILON = np.float32(1e-5)
"""Of a norm, as torch has it."""


def number(item_id: str) -> int:
    """Return the number that a model knows an item by; two of n items share one with probability n² / 2⁶⁵."""
    return int.from_bytes(blake2b(item_id.encode(), digest_size=8).digest(), "little")


@dataclass(frozen=True, slots=True)
class About:
    """What a model is, beside its numbers."""

    name: str
    version: str
    """Changes with every number of it; the store keeps embeddings by it."""
    encoder: str
    """The model whose vectors of words it was learnt with."""
    heads: int
    weight: float
    """How loudly its cosine speaks in the score, as training found it."""

    @property
    def label(self) -> str:
        """What people know it by: ``name@version``."""
        return f"{self.name}@{self.version}"


class SequenceModel:
    """A frozen model. Raises ``InvalidSetting`` for arrays that do not fit together, or are not finite."""

    def __init__(self, about: About, arrays: Mapping[str, NDArray[np.generic]]) -> None:
        """*arrays*: see ``shapes``; ``items.number`` ascending."""
        self.about = about
        self._numbers = np.asarray(arrays["items.number"]).astype(np.uint64) if "items.number" in arrays else _none()
        self._arrays = {name: np.asarray(each, np.float32) for name, each in arrays.items() if name != "items.number"}
        _check(about, self._numbers, self._arrays)
        self.width: int = self._arrays["words.weight"].shape[0]
        """C."""
        self.dim: int = self._arrays["words.weight"].shape[1]
        """D."""
        self.length: int = self._arrays["places.weight"].shape[0]
        """Steps that are read, the newest ones."""
        self.arrays: Mapping[str, NDArray[np.generic]] = {"items.number": self._numbers, **self._arrays}
        """All its numbers, by name."""
        self._blocks = [_Block(self._arrays, number, about.heads) for number in range(_blocks(self._arrays))]

    def embed(self, item_ids: Sequence[str], words: Matrix) -> Matrix:
        """Return z, unit rows of shape (items, C), of items whose words have the vectors *words*, shape (items, D)."""
        found = words @ self._arrays["words.weight"].T
        if len(self._numbers):
            wanted = np.array([number(item_id) for item_id in item_ids], np.uint64)
            at = np.minimum(np.searchsorted(self._numbers, wanted), len(self._numbers) - 1)
            seen = self._numbers[at] == wanted
            found[seen] += self._arrays["items.weight"][at[seen]]
        return _units(found)

    def state(self, embeddings: Matrix) -> Vector:
        """Return q, shape (C,), of the embeddings of what a user liked, oldest first, shape (T, C), T > 0."""
        newest = embeddings[-self.length :]
        x = newest * self._arrays["scale"] + self._arrays["places.weight"][len(newest) - 1 :: -1]
        for block in self._blocks[:-1]:
            x = block(x, len(x))
        found: Vector = _units(_norm(self._blocks[-1](x, 1), self._arrays, "norm"))[0]
        return found


def version_of(arrays: Mapping[str, NDArray[np.generic]]) -> str:
    """Return what tells the numbers of one model from those of another: 12 hexadecimal digits."""
    digest = sha256()
    for name in sorted(arrays):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(arrays[name]).data)
    return digest.hexdigest()[:12]


class _Block:
    """Every step attends to itself and the steps before it, then to its own features."""

    def __init__(self, arrays: Mapping[str, Matrix], at: int, heads: int) -> None:
        self._of = {name.removeprefix(f"blocks.{at}."): each for name, each in arrays.items()
                    if name.startswith(f"blocks.{at}.")}  # fmt: skip
        self._heads = heads

    def __call__(self, x: Matrix, wanted: int) -> Matrix:
        """Return the newest *wanted* steps, shape (wanted, C), of (T, C)."""
        read = _norm(x, self._of, "norm_attention")
        width = x.shape[1]
        weight, bias = self._of["query_key_value.weight"], self._of["query_key_value.bias"]
        query = _split(read[-wanted:] @ weight[:width].T + bias[:width], self._heads)  # (H, wanted, C/H)
        key, value = (
            _split(read @ weight[start : start + width].T + bias[start : start + width], self._heads)
            for start in (width, 2 * width)
        )  # (H, T, C/H)
        logits = query @ key.transpose(0, 2, 1) / np.float32(math.sqrt(query.shape[2]))  # (H, wanted, T)
        steps = np.arange(len(x))
        logits = np.where(steps <= steps[-wanted:, None], logits, -np.inf)
        mixed = (_softmax(logits) @ value).transpose(1, 0, 2).reshape(wanted, width)
        x = x[-wanted:] + _linear(mixed, self._of, "output")
        hidden = _gelu(_linear(_norm(x, self._of, "norm_feed_forward"), self._of, "feed_forward.0"))
        return x + _linear(hidden, self._of, "feed_forward.2")


def shapes(width: int, dim: int, length: int, blocks: int, items: int) -> dict[str, tuple[int, ...]]:
    """Return the shape of every array of a model."""
    found: dict[str, tuple[int, ...]] = {
        "items.number": (items,),
        "items.weight": (items, width),
        "words.weight": (width, dim),
        "places.weight": (length, width),
        "scale": (),
        "norm.weight": (width,),
        "norm.bias": (width,),
    }
    for at in range(blocks):
        found |= {f"blocks.{at}.{name}": shape for name, shape in _block_shapes(width).items()}
    return found


def _block_shapes(width: int) -> dict[str, tuple[int, ...]]:
    linears = {
        "query_key_value": (3 * width, width),
        "output": (width, width),
        "feed_forward.0": (4 * width, width),
        "feed_forward.2": (width, 4 * width),
    }
    norms = {f"{norm}.{part}": (width,) for norm in ("norm_attention", "norm_feed_forward") for part in _PARTS}
    return (
        {f"{name}.weight": shape for name, shape in linears.items()}
        | norms
        | {f"{name}.bias": shape[:1] for name, shape in linears.items()}
    )


_PARTS = ("weight", "bias")


def _none() -> Numbers:
    return np.empty(0, np.uint64)


def _blocks(arrays: Mapping[str, Matrix]) -> int:
    return len({name.split(".")[1] for name in arrays if name.startswith("blocks.")})


def _check(about: About, numbers: Numbers, arrays: Mapping[str, Matrix]) -> None:
    place = f"model {about.name}"
    for needed, axes in (("words.weight", 2), ("places.weight", 2)):
        if needed not in arrays or arrays[needed].ndim != axes or not all(arrays[needed].shape):
            raise InvalidSetting(f"{place}: {needed} is missing or has another number of axes", field="sequence_model")
    width, dim = arrays["words.weight"].shape
    wanted = shapes(width, dim, len(arrays["places.weight"]), max(1, _blocks(arrays)), len(numbers))
    found = {name: each.shape for name, each in arrays.items()} | {"items.number": numbers.shape}
    for name in sorted(wanted.keys() | found.keys()):
        if found.get(name) != wanted.get(name):
            problem = f"{name} has the shape {found.get(name)}, {wanted.get(name)} fits the others"
            raise InvalidSetting(f"{place}: {problem}; train it again", field="sequence_model")
    if about.heads < 1 or width % about.heads:
        raise InvalidSetting(f"{place}: {width} numbers do not divide by {about.heads} heads", field="sequence_model")
    if not (np.isfinite(about.weight) and all(np.isfinite(each).all() for each in arrays.values())):
        raise InvalidSetting(f"{place}: some of its numbers are not finite; train it again", field="sequence_model")
    if np.any(numbers[1:] <= numbers[:-1]):
        raise InvalidSetting(f"{place}: items.number does not ascend; train it again", field="sequence_model")


def _linear(x: Matrix, arrays: Mapping[str, Matrix], name: str) -> Matrix:
    found: Matrix = x @ arrays[f"{name}.weight"].T + arrays[f"{name}.bias"]
    return found


def _norm(x: Matrix, arrays: Mapping[str, Matrix], name: str) -> Matrix:
    centred = x - x.mean(axis=-1, keepdims=True)
    scaled: Matrix = centred / np.sqrt(np.mean(centred * centred, axis=-1, keepdims=True) + EPSILON)
    return scaled * arrays[f"{name}.weight"] + arrays[f"{name}.bias"]


def _split(x: Matrix, heads: int) -> NDArray[np.float32]:
    return x.reshape(len(x), heads, -1).transpose(1, 0, 2)


def _softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
    found: NDArray[np.float32] = weights / weights.sum(axis=-1, keepdims=True)
    return found


def _gelu(x: Matrix) -> Matrix:
    """Hendrycks & Gimpel 2016, its approximation by tanh, which numpy has."""
    inner = np.float32(math.sqrt(2.0 / math.pi)) * (x + np.float32(0.044715) * x * x * x)
    return (np.float32(0.5) * x * (np.float32(1.0) + np.tanh(inner))).astype(np.float32, copy=False)


def _units(rows: Matrix) -> Matrix:
    lengths = np.sqrt(np.sum(rows * rows, axis=-1, keepdims=True))
    found: Matrix = (rows / np.maximum(lengths, np.float32(1e-12))).astype(np.float32, copy=False)
    return found
