"""Sequence models as folders, read by a service (see ``modelfiles``)."""

from collections.abc import Mapping
from pathlib import Path

from penchant_core.sequence import About, SequenceModel

from penchant_adapters.modelfiles import ModelFile

FILE = "model.safetensors"
_KEPT = ModelFile(FILE, "penchant-sequence-1", "sequence_model", "penchant train sequence", "is no sequence model")


def read_sequence_model(folder: Path | None) -> SequenceModel | None:
    """Return the model of a folder; none for none. Raises ``InvalidSetting`` where there is none, or it is damaged."""
    if folder is None:
        return None
    return SequenceModel(*_KEPT.read(folder, About, {"heads": int, "weight": float}))


def write_sequence_model(folder: Path, model: SequenceModel, beside: Mapping[str, bytes]) -> Path:
    """Write a model and the files *beside* it; return its file (see ``ModelFile.write``). Raises ``InvalidSetting``."""
    return _KEPT.write(folder, model.about, model.arrays, beside)
