"""Ways in which torch runs a network faster on some machines, taken only where the vectors stay what they are."""

import logging
from collections.abc import Callable
from typing import Any

import torch
from penchant_core.errors import InvalidSetting
from penchant_core.vectors import Matrix
from transformers.utils.import_utils import is_flash_attn_2_available

from penchant_adapters.encoders.precision import LEAST_COSINE, likeness

_UNPADDED, _PADDED = "flash_attention_2", "sdpa"
"""By transformers' names. FlashAttention's kernels take texts of any lengths after each other, so that no attention is
paid to padding (Dao, FlashAttention-2, arXiv:2307.08691)."""
_log = logging.getLogger(__name__)


def unpadded(model: Any, device: str, number: torch.dtype) -> bool:
    """Tell whether a network can attend without padding: on CUDA, in half precision, with the package flash-attn."""
    halved = number in (torch.bfloat16, torch.float16)
    return bool(device == "cuda" and halved and model._supports_flash_attn and is_flash_attn_2_available())  # noqa: SLF001


def attend_unpadded(place: str, model: Any, encode: Callable[[], Matrix], full: Matrix) -> bool:
    """Let a network attend without padding; return whether it does. *encode* gives the vectors of ``SAMPLE``.

    Where it fails at that, or says other things than in *full* precision, it stays as it was, and the log says why.
    """
    try:
        model.set_attn_implementation(_UNPADDED)
        found = likeness(encode(), full)
        reason = "" if found >= LEAST_COSINE else f"its vectors are others, a cosine of {found:.3f}"
    except Exception as error:  # noqa: BLE001 of whichever kind: packages of kernels fail in their own ways
        reason = str(error)
    if not reason:
        return True
    model.set_attn_implementation(_PADDED)
    _log.warning("hf:%s attends with padding: %s", place, reason)
    return False


def compiled(place: str, model: Any, encode: Callable[[Any], Matrix]) -> Any:
    """Return a network that ``torch.compile`` has made faster, for any number of texts and any length, and made ready.

    *encode* gives the vectors of ``SAMPLE`` by a network. Raises ``InvalidSetting`` where it cannot be compiled, and
    where its vectors are others.
    """
    before = encode(model)
    try:
        faster = torch.compile(model, dynamic=True)
        found = likeness(encode(faster), before)
    except Exception as error:  # of whichever kind: no compiler, a network that is not a program
        raise InvalidSetting(f"hf:{place} cannot be compiled: {error}; use torch", "encoder runtime") from error
    if found < LEAST_COSINE:
        raise InvalidSetting(
            f"hf:{place} gives other vectors when it is compiled: a cosine of {found:.3f}; use torch", "encoder runtime"
        )
    return faster
