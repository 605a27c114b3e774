"""A network in whole numbers of eight bits, calibrated on texts, for OpenVINO on a CPU. Needs penchant[compress].

Weights have a scale for every row; activations a scale that NNCF chooses while it looks at the texts, after large ones
were smoothed into the weights (Xiao et al. 2023, SmoothQuant, arXiv:2211.10438).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import penchant_adapters.encoders.compiled  # noqa: F401 first: it keeps OpenVINO from telling its makers what is done
import torch
from penchant_adapters.encoders.huggingface import Parts
from penchant_adapters.encoders.source import COMPILED
from penchant_core.errors import InvalidSetting
from torch import Tensor, nn

CALIBRATING = 300
"""Texts that scales are chosen on."""
LEAST = 20


class _States(nn.Module):
    """A network that takes its inputs by place and gives the states of tokens only."""

    def __init__(self, model: Any, names: Sequence[str]) -> None:
        super().__init__()
        self.model, self._names = model, names

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return the states, shape (B, T, width)."""
        found: Tensor = self.model(**dict(zip(self._names, inputs, strict=True))).last_hidden_state
        return found


def write_quantised(folder: Path, parts: Parts, texts: Sequence[str]) -> None:
    """Write the network of *parts*, calibrated on *texts*, into a model's folder.

    Raises ``InvalidSetting`` where there are too few texts.
    """
    import nncf  # noqa: PLC0415 seconds
    import openvino  # noqa: PLC0415 seconds

    if len(texts) < LEAST:
        raise InvalidSetting(f"{len(texts)} texts are too few to calibrate on; give {LEAST} or more", "int8")
    nncf.set_log_level("ERROR")
    samples = [_tokens(parts, [text]) for text in texts[:CALIBRATING]]
    names = list(samples[0])
    example = _tokens(parts, [texts[0], f"{texts[0]} and more words"])
    shape = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
    with torch.no_grad():
        exported = torch.export.export(
            _States(parts.model, names), tuple(example.values()), dynamic_shapes={"inputs": (shape,) * len(names)}
        )
    whole = openvino.convert_model(exported)
    for port, name in zip(whole.inputs, names, strict=True):
        port.get_tensor().set_names({name})
    whole.outputs[0].get_tensor().set_names({"last_hidden_state"})
    dataset = nncf.Dataset([{name: rows.numpy() for name, rows in sample.items()} for sample in samples])
    quantised = nncf.quantize(
        whole, dataset, model_type=nncf.ModelType.TRANSFORMER, preset=nncf.QuantizationPreset.MIXED
    )
    path = folder / COMPILED
    path.parent.mkdir(parents=True)
    openvino.save_model(quantised, path, compress_to_fp16=False)


def _tokens(parts: Parts, texts: Sequence[str]) -> dict[str, Tensor]:
    return dict(parts.tokens(texts, parts.most_tokens, padding=True, return_tensors="pt"))
