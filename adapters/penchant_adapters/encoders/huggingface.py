"""Any text-embedding model of the Hugging Face hub or a local folder, through transformers and torch, on GPU or CPU.

Weights come from safetensors only and no code of the model's repository is run. Needs the extra ``penchant[torch]``.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import transformers
from penchant_core.errors import InvalidSetting
from penchant_core.vectors import Matrix

from penchant_adapters.encoders.layout import Layout
from penchant_adapters.encoders.projection import Projection
from penchant_adapters.encoders.source import ModelSource
from penchant_adapters.encoders.tokenized import DEVICES, TokenizedModel, Tokens, most_tokens


@dataclass(frozen=True, slots=True)
class Parts:
    """A text-embedding model, taken apart."""

    name: str
    """Identity of the model and its weights."""
    tokenizer: Any
    model: Any
    """The transformer, on its device, not in training."""
    layout: Layout
    projections: list[Projection]

    @property
    def most_tokens(self) -> int:
        """Tokens of a text that the model reads."""
        return most_tokens(self.tokenizer, self.layout, self.model.config)

    @property
    def encoder(self) -> TokenizedModel:
        """The model as a service has it."""
        network = TorchNetwork(self.model, self.layout.pooling)
        return TokenizedModel(self.name, self.tokenizer, network, self.layout, self.most_tokens, self.projections)

    def tokens(self, texts: Sequence[str], most: int, **given: Any) -> Any:
        """Return the tokens of texts, *most* of each at the most; *given* as the tokenizer takes it."""
        texts = [text.lower() for text in texts] if self.layout.lowercase else list(texts)
        return self.tokenizer(texts, truncation=True, max_length=most, **given)


def load_model(place: str, *, threads: int | None, device: str) -> TokenizedModel:
    """Load the model *place*: a folder, a hub name, or ``NAME@REVISION``. Raises ``InvalidSetting`` when it cannot."""
    if threads is not None:
        torch.set_num_threads(threads)
    target = _device(device)
    with _usable(place):
        return load_parts(place, target, _precision(target)).encoder


def load_parts(place: str, device: torch.device, precision: torch.dtype) -> Parts:
    """Load the parts of a model; otherwise as ``load_model``."""
    transformers.utils.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    source = ModelSource(place)
    given = {"revision": source.revision, "trust_remote_code": False}
    with _usable(place):
        layout = source.layout()
        tokenizer = transformers.AutoTokenizer.from_pretrained(source.name, subfolder=layout.transformer, **given)
        model = transformers.AutoModel.from_pretrained(
            source.name, subfolder=layout.transformer, use_safetensors=True, dtype=precision, **given
        )
        identity = source.identity(getattr(model.config, "_commit_hash", None))
        return Parts(identity, tokenizer, model.eval().to(device), layout, source.projections(layout))


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


class TorchNetwork:
    """A transformer on torch; keeps what ``Network`` promises."""

    exhausted: type[Exception] = torch.OutOfMemoryError

    def __init__(self, model: Any, pooling: str) -> None:
        self.device: str = model.device.type
        self._model, self._pooling = model, pooling

    def pooled(self, tokens: Tokens) -> Matrix:
        """Return one row per text, pooled where the model is."""
        inputs = {key: torch.from_numpy(rows).to(self._model.device) for key, rows in tokens.items()}
        with torch.inference_mode():
            states = self._model(**inputs).last_hidden_state.float()  # (B, T, dim)
            found: Matrix = pool(states, inputs["attention_mask"], self._pooling).cpu().numpy()
        return found


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
    if device.type not in DEVICES:
        raise InvalidSetting(f"{wanted!r} is not supported; use one of auto, {', '.join(DEVICES)}", field="device")
    return device


def _precision(device: torch.device) -> torch.dtype:
    if device.type != "cuda":
        return torch.float32
    return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
