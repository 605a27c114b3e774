"""A network in whole numbers of eight bits, calibrated on texts, for OpenVINO on a CPU. Needs penchant[compress].

Weights have a scale for every row; activations a scale that NNCF chooses while it looks at the texts, after large ones
were smoothed into the weights (Xiao et al. 2023, SmoothQuant, arXiv:2211.10438).
"""

import logging
from collections.abc import Sequence
from pathlib import Path

from penchant_adapters.encoders.exporting import exported
from penchant_adapters.encoders.huggingface import Parts
from penchant_adapters.encoders.source import COMPILED
from penchant_core.errors import InvalidSetting
from torch import Tensor

CALIBRATING = 300
"""Texts that scales are chosen on."""
LEAST = 20


def write_quantised(folder: Path, parts: Parts, texts: Sequence[str]) -> None:
    """Write the network of *parts*, calibrated on *texts*, into a model's folder.

    Raises ``InvalidSetting`` where there are too few texts.
    """
    import nncf  # noqa: PLC0415 seconds
    import openvino  # noqa: PLC0415 seconds

    if len(texts) < LEAST:
        raise InvalidSetting(f"{len(texts)} texts are too few to calibrate on; give {LEAST} or more", "int8")
    # Its own set_log_level sets the levels of other people's handlers too.
    logging.getLogger("nncf").setLevel(logging.ERROR)
    samples = [_tokens(parts, [text]) for text in texts[:CALIBRATING]]
    whole = exported(parts)
    dataset = nncf.Dataset([{name: rows.numpy() for name, rows in sample.items()} for sample in samples])
    quantised = nncf.quantize(
        whole, dataset, model_type=nncf.ModelType.TRANSFORMER, preset=nncf.QuantizationPreset.MIXED
    )
    path = folder / COMPILED
    path.parent.mkdir(parents=True)
    openvino.save_model(quantised, path, compress_to_fp16=False)


def _tokens(parts: Parts, texts: Sequence[str]) -> dict[str, Tensor]:
    return dict(parts.tokens(texts, parts.most_tokens, padding=True, return_tensors="pt"))
