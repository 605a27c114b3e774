"""Learned weights between items as folders: ``together.safetensors``, beside it what people want to know of it.

Nothing but numbers is read, as with sequence models (see ``sequences``); one that was cut short or changed is refused.
"""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from penchant_core.errors import InvalidSetting
from penchant_core.sequence import version_of
from penchant_core.together import FIELD, AboutTogether, TogetherModel
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from penchant_adapters.sequences import GREATEST_BYTES, written

FILE = "together.safetensors"
FORMAT = "penchant-together-1"


def read_together_model(folder: Path) -> TogetherModel:
    """Return the weights of a folder. Raises ``InvalidSetting`` where there are none, or they are damaged."""
    path = folder / FILE
    if not path.is_file():
        raise InvalidSetting(f"there is no {path}; `penchant train together --out {folder}` writes one", field=FIELD)
    if (size := path.stat().st_size) > GREATEST_BYTES:
        raise InvalidSetting(f"{path} has {size:,} bytes, at most {GREATEST_BYTES:,} are read", field=FIELD)
    try:
        with safe_open(path, framework="np") as file:
            said = file.metadata() or {}
            arrays: dict[str, NDArray[np.generic]] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 it is no mapping
    except (SafetensorError, OSError, ValueError) as error:
        raise InvalidSetting(f"{path} is damaged: {error}; copy it anew, or train it again", field=FIELD) from error
    about = _about(path, said)
    if version_of(arrays) != about.version:
        raise InvalidSetting(
            f"{path} is damaged: its numbers are not those of version {about.version}; copy it anew, or train it again",
            field=FIELD,
        )
    return TogetherModel(about, arrays)


def _about(path: Path, said: Mapping[str, str]) -> AboutTogether:
    if said.get("format") != FORMAT:
        raise InvalidSetting(f"{path} holds no weights between items: format {said.get('format')!r}", field=FIELD)
    try:
        return AboutTogether(said["name"], said["version"], float(said["weight"]), float(said["rank_decay"]))
    except (KeyError, ValueError) as error:
        raise InvalidSetting(f"{path} is damaged: {error} in its metadata; train it again", field=FIELD) from error


def write_together_model(folder: Path, model: TogetherModel, beside: Mapping[str, bytes]) -> Path:
    """Write weights and the files *beside* them, by name; return their file. On disk before this returns.

    The weights come last and whole: a folder without them is no model. Raises ``InvalidSetting`` where they cannot be
    written.
    """
    path = folder / FILE
    said = {name: str(value) for name, value in asdict(model.about).items()}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in beside.items():
            written(folder / name, content)
        written(path, save(dict(model.arrays), metadata={"format": FORMAT, **said}))
    except OSError as error:
        raise InvalidSetting(f"cannot write {path}: {error.strerror}", field="out") from error
    return path
