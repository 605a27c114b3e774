"""Any text-embedding model of the Hugging Face hub or a local folder, through transformers and torch, on GPU or CPU.

Weights come from safetensors only and no code of the model's repository is run. Needs the extra ``penchant[torch]``.
"""

import logging
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
import transformers
from penchant_core.errors import InvalidSetting
from penchant_core.vectors import Matrix

from penchant_adapters.encoders.devices import (
    ROOMS,
    Streams,
    devices_of,
    name_of,
    number_of,
    threads_each,
    told,
    usable,
)
from penchant_adapters.encoders.faster import attend_unpadded, compiled, unpadded
from penchant_adapters.encoders.layout import Layout
from penchant_adapters.encoders.precision import LEAST_COSINE, SAMPLE, likeness, refuse_unlike
from penchant_adapters.encoders.projection import Projection
from penchant_adapters.encoders.source import ModelSource
from penchant_adapters.encoders.tokenized import TokenizedModel, Tokenizer, Tokens, most_tokens
from penchant_adapters.vectortypes import Precision, Runtime

_WORTH_IT = 5_000_000
"""Parameters from which on a network is worth the seconds that it takes to make it ready for OpenVINO."""
_LEAST: Mapping[torch.dtype, float] = {torch.float32: 0.9999, torch.bfloat16: LEAST_COSINE}
"""Likeness to torch that vectors by OpenVINO must have, in the numbers that it may calculate with."""
_log = logging.getLogger(__name__)


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
        reader = Tokenizer(self.tokenizer, self.layout, self.most_tokens)
        return TokenizedModel(
            self.name, self.layout, reader, TorchNetwork(self.model, self.layout.pooling), self.projections
        )

    def tokens(self, texts: Sequence[str], most: int, **given: Any) -> Any:
        """Return the tokens of texts, *most* of each at the most; *given* as the tokenizer takes it."""
        texts = [text.lower() for text in texts] if self.layout.lowercase else list(texts)
        return self.tokenizer(texts, truncation=True, max_length=most, **given)


def load_models(
    place: str, *, threads: int | None, device: str, precision: Precision, runtime: Runtime
) -> tuple[list[TokenizedModel], str]:
    """Load the model *place*, a folder, a hub name, or ``NAME@REVISION``, on each device that is meant.

    Returns them with words on how they run. Raises ``InvalidSetting`` when the model cannot be used, gives other
    vectors in the precision that is wanted, or cannot be run by the *runtime* that is.
    """
    if threads is not None:
        torch.set_num_threads(threads)
    devices = devices_of(device)
    number = number_of(devices[0], precision)
    with usable(place):
        parts = load_parts(place, devices[0], torch.float32)
        full = parts.encoder.encode(SAMPLE)
        if found := _on_openvino(parts, place, threads, number, runtime, full):
            return found
        if number is not torch.float32:
            parts.model.to(number)
            refuse_unlike(place, name_of(number), likeness(parts.encoder.encode(SAMPLE), full))
        how = "torch"
        if unpadded(parts.model, devices[0].type, number) and attend_unpadded(
            place, parts.model, lambda: parts.encoder.encode(SAMPLE), full
        ):
            how = "torch without padding"
        copies = [parts, *(replace(parts, model=deepcopy(parts.model).to(other)) for other in devices[1:])]
    if runtime == "torch_compile":
        how = how.replace("torch", "torch.compile")
        copies = [replace(one, model=_compiled(place, one)) for one in copies]
    cores = f", {torch.get_num_threads()} threads" if devices[0].type == "cpu" else ""
    return [one.encoder for one in copies] * threads_each(devices), f"{told(devices)}, {name_of(number)}, {how}{cores}"


def _compiled(place: str, parts: Parts) -> Any:
    """Return the network of a model, compiled for many texts and for a lone one: torch makes a program for each."""

    def encode(model: Any) -> Matrix:
        reading = replace(parts, model=model).encoder
        return np.concatenate([reading.encode(SAMPLE), reading.encode(SAMPLE[:1])])

    return compiled(place, parts.model, encode)


def _on_openvino(
    parts: Parts, place: str, threads: int | None, number: torch.dtype, runtime: Runtime, full: Matrix
) -> tuple[list[TokenizedModel], str] | None:
    """Return the model as OpenVINO runs it, where that is wanted or better: it answers a lone text much sooner.

    *full* are the vectors of ``SAMPLE`` by torch in float32.
    """
    fits = parts.model.device.type == "cpu" and number in _LEAST
    if runtime == "openvino" and not fits:
        raise InvalidSetting(
            f"hf:{place} by OpenVINO is for float32 or bfloat16 on a CPU; use torch", "encoder runtime"
        )
    if runtime in ("torch", "torch_compile") or (
        runtime == "auto" and (not fits or parts.model.num_parameters() < _WORTH_IT)
    ):
        return None
    try:
        models, how = _by_openvino(parts, threads, name_of(number))
        refuse_unlike(place, f"{name_of(number)} by OpenVINO", likeness(models[0].encode(SAMPLE), full), _LEAST[number])
    except ImportError as error:
        if runtime == "openvino":
            raise InvalidSetting(f"{error}; run pip install 'penchant[torch,int8]'", "encoder runtime") from error
        return None
    except Exception as error:  # of whichever kind: no two networks fail alike
        if runtime == "openvino":
            raise InvalidSetting(f"hf:{place} fails by OpenVINO: {error}; use torch", "encoder runtime") from error
        _log.warning("hf:%s is run by torch, because OpenVINO cannot: %s", place, error)
        return None
    return models, how


def _by_openvino(parts: Parts, threads: int | None, number: str) -> tuple[list[TokenizedModel], str]:
    from penchant_adapters.encoders.compiled import networks  # noqa: PLC0415 an extra
    from penchant_adapters.encoders.exporting import exported  # noqa: PLC0415

    reader = Tokenizer(parts.tokenizer, parts.layout, parts.most_tokens)
    found = networks(exported(parts), parts.layout.pooling, threads, number)
    models = [TokenizedModel(parts.name, parts.layout, reader, network, parts.projections) for network in found]
    return models, f"cpu, {found[0].number}, OpenVINO, {len(found)} streams"


def load_parts(place: str, device: torch.device, precision: torch.dtype) -> Parts:
    """Load the parts of a model; otherwise as ``load_model``."""
    transformers.utils.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    source = ModelSource(place)
    given = {"revision": source.revision, "trust_remote_code": False}
    with usable(place):
        layout = source.layout()
        if layout.sees:
            raise InvalidSetting(f"hf:{place} sees pictures; it cannot be trained or compressed here", "encoder")
        source.refuse_unread(layout)
        tokenizer = transformers.AutoTokenizer.from_pretrained(source.name, subfolder=layout.transformer, **given)
        model = transformers.AutoModel.from_pretrained(
            source.name, subfolder=layout.transformer, use_safetensors=True, dtype=precision, **given
        )
        identity = source.identity(getattr(model.config, "_commit_hash", None))
        return Parts(identity, tokenizer, model.eval().to(device), layout, source.projections(layout))


class TorchNetwork:
    """A transformer on torch; keeps what ``Network`` promises."""

    exhausted: type[Exception] = torch.OutOfMemoryError

    def __init__(self, model: Any, pooling: str) -> None:
        self.room = ROOMS[model.device.type]
        self._model, self._pooling = model, pooling
        self._streams = Streams(model.device)

    def pooled(self, tokens: Tokens) -> Matrix:
        """Return one row per text, pooled where the model is."""
        with self._streams.mine(), torch.inference_mode():
            inputs = {key: torch.from_numpy(rows).to(self._model.device) for key, rows in tokens.items()}
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
