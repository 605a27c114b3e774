"""Learned weights between items as folders (see ``modelfiles``)."""

from collections.abc import Mapping
from pathlib import Path

from penchant_core.together import FIELD, AboutTogether, TogetherModel

from penchant_adapters.modelfiles import ModelFile

FILE = "together.safetensors"
_KEPT = ModelFile(FILE, "penchant-together-1", FIELD, "penchant train together", "holds no weights between items")


def read_together_model(folder: Path) -> TogetherModel:
    """Return the weights of a folder. Raises ``InvalidSetting`` where there are none, or they are damaged."""
    return TogetherModel(*_KEPT.read(folder, AboutTogether, {"weight": float, "rank_decay": float}))


def write_together_model(folder: Path, model: TogetherModel, beside: Mapping[str, bytes]) -> Path:
    """Write weights and the files *beside* them; return their file (see ``ModelFile.write``).

    Raises ``InvalidSetting`` where they cannot be written.
    """
    return _KEPT.write(folder, model.about, model.arrays, beside)
