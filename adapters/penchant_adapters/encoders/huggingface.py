"""Any text-embedding model of the Hugging Face hub or a local folder, through transformers and torch, on GPU or CPU.

Weights come from safetensors only and no code of the model's repository is run. Needs the extra ``penchant[torch]``.
"""

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from penchant_core.errors import InvalidSetting
from penchant_core.vectors import Matrix
from transformers.utils.hub import cached_file

from penchant_adapters.encoders.batches import in_halves, padded_batches
from penchant_adapters.encoders.layout import Layout, read_layout

FIGURES = "figures.json"
"""What training writes beside a model; it decides no vector."""
_PADDED_TOKENS = {"cuda": 65_536, "mps": 16_384, "cpu": 2_048}
_SLICE_TEXTS = {"cuda": 1_024, "mps": 256, "cpu": 16}


@dataclass(frozen=True, slots=True)
class Parts:
    """A text-embedding model, taken apart."""

    name: str
    """Identity of the model and its weights."""
    tokenizer: Any
    model: Any
    """The transformer, on its device, not in training."""
    layout: Layout

    @property
    def most_tokens(self) -> int:
        """Tokens of a text that the model reads."""
        positions = getattr(self.model.config, "max_position_embeddings", None) or self.layout.max_tokens
        return min(self.layout.max_tokens, int(self.tokenizer.model_max_length), positions)


def load_model(place: str, *, threads: int | None, device: str) -> "HuggingFaceModel":
    """Load the model *place*: a folder, a hub name, or ``NAME@REVISION``. Raises ``InvalidSetting`` when it cannot."""
    if threads is not None:
        torch.set_num_threads(threads)
    target = _device(device)
    with _usable(place):
        return HuggingFaceModel(load_parts(place, target, _precision(target)))


def load_parts(place: str, device: torch.device, precision: torch.dtype) -> Parts:
    """Load the parts of a model; otherwise as ``load_model``."""
    transformers.utils.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    local = Path(place).exists()
    name, _, revision = (place, "", "") if local else place.partition("@")
    source = {"revision": revision or "main", "trust_remote_code": False}
    with _usable(place):
        layout = read_layout(lambda file: _read_json(name, file, revision or "main"))
        tokenizer = transformers.AutoTokenizer.from_pretrained(name, subfolder=layout.transformer, **source)
        model = transformers.AutoModel.from_pretrained(
            name, subfolder=layout.transformer, use_safetensors=True, dtype=precision, **source
        )
        commit = _content_hash(Path(name)) if local else getattr(model.config, "_commit_hash", None)
        identity = f"hf:{Path(name).resolve().name if local else name}@{commit or revision or 'main'}"
        return Parts(identity, tokenizer, model.eval().to(device), layout)


@contextmanager
def _usable(place: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, ImportError, RuntimeError, KeyError) as error:
        raise InvalidSetting(
            f"hf:{place} cannot be used: {error}; name a folder or a hub model with safetensors weights that"
            " transformers knows, and be online for the first load of a hub model",
            field="encoder",
        ) from error


class HuggingFaceModel:
    """A tokenizer and a transformer whose token states are pooled to one vector per text."""

    def __init__(self, parts: Parts) -> None:
        self.name = parts.name
        self._tokenizer, self._model, self._layout = parts.tokenizer, parts.model, parts.layout
        self.slice_texts = _SLICE_TEXTS[self._model.device.type]
        self.slice_bytes = 128 * self.slice_texts
        self._max_tokens = parts.most_tokens
        self._padded_tokens = _PADDED_TOKENS[self._model.device.type]
        # A model that cannot pad, or wants more than token ids, shows at start, not at a user's search.
        self.dim = self._forward(self._tokenizer(["ready", "ready to encode"]), [0, 1]).shape[1]

    def encode(self, texts: Sequence[str]) -> Matrix:
        """Return one row per text, shape (len(texts), dim), not yet of unit length."""
        if self._layout.lowercase:
            texts = [text.lower() for text in texts]
        tokens = self._tokenizer(list(texts), truncation=True, max_length=self._max_tokens)
        lengths = [len(ids) for ids in tokens["input_ids"]]
        rows = np.empty((len(texts), self.dim), np.float32)
        for batch in padded_batches(lengths, self._padded_tokens):
            rows[batch] = in_halves(batch, lambda part: self._forward(tokens, part), torch.OutOfMemoryError)
        return rows

    def _forward(self, tokens: Any, batch: Sequence[int]) -> Matrix:
        rows = {key: [values[i] for i in batch] for key, values in tokens.items()}
        inputs = self._tokenizer.pad(rows, return_tensors="pt").to(self._model.device)
        with torch.inference_mode():
            states = self._model(**inputs).last_hidden_state.float()  # (B, T, dim)
            pooled: Matrix = pool(states, inputs["attention_mask"], self._layout.pooling).cpu().numpy()
        return pooled


def pool(states: torch.Tensor, mask: torch.Tensor, how: str) -> torch.Tensor:
    """Return one vector per text (B, dim) from the token states (B, T, dim) that *mask* (B, T) marks as real.

    *how* is ``cls``, ``mean``, ``max`` or ``lasttoken``; padding may stand on either side.
    """
    if how == "mean":
        weights = mask.unsqueeze(-1).to(states.dtype)  # (B, T, 1)
        return (states * weights).sum(1) / weights.sum(1).clamp(min=1)
    if how == "max":
        return states.masked_fill(mask.unsqueeze(-1) == 0, float("-inf")).amax(1)
    positions = torch.arange(mask.shape[1], device=mask.device) * mask  # (B, T)
    chosen = positions.argmax(1) if how == "lasttoken" else mask.argmax(1)
    return states[torch.arange(len(states), device=states.device), chosen]


def _device(wanted: str) -> torch.device:
    found = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(found if wanted == "auto" else wanted)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:  # torch without CUDA asserts
        raise InvalidSetting(f"{wanted!r} is not usable here; use auto, which gives {found}", field="device") from error
    if device.type not in _SLICE_TEXTS:
        raise InvalidSetting(f"{wanted!r} is not supported; use one of auto, {', '.join(_SLICE_TEXTS)}", field="device")
    return device


def _precision(device: torch.device) -> torch.dtype:
    if device.type != "cuda":
        return torch.float32
    return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16


def _read_json(name: str, file: str, revision: str) -> Any:
    path = cached_file(name, file, revision=revision, _raise_exceptions_for_missing_entries=False)
    return None if path is None else json.loads(Path(path).read_text(encoding="utf-8"))


def _content_hash(folder: Path) -> str:
    """Hash what decides the vectors. Weights too: a fine-tuned model differs from its parent in nothing else."""
    digest = blake2b(digest_size=8)
    files = sorted(p for pattern in ("**/*.json", "**/*.safetensors", "**/*.txt") for p in folder.glob(pattern))
    files = [path for path in files if path.name != FIGURES]
    for path in files:
        digest.update(os.fsencode(path.relative_to(folder).as_posix()))
        with path.open("rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
    return digest.hexdigest()
