"""Sequence models as folders: ``model.safetensors`` for the service, beside it what people want to know of it.

Nothing but numbers is read: safetensors runs no code. The file's metadata say what the model is and which version its
numbers must have, so that a file that was cut short or changed is refused.
"""

import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from penchant_core.errors import InvalidSetting
from penchant_core.sequence import About, SequenceModel, version_of
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

FILE = "model.safetensors"
FORMAT = "penchant-sequence-1"
FIELD = "sequence_model"
GREATEST_BYTES = 8 << 30


def read_sequence_model(folder: Path | None) -> SequenceModel | None:
    """Return the model of a folder; none for none. Raises ``InvalidSetting`` where there is none, or it is damaged."""
    if folder is None:
        return None
    path = folder / FILE
    if not path.is_file():
        raise InvalidSetting(f"there is no {path}; `penchant train sequence --out {folder}` writes one", field=FIELD)
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
    return SequenceModel(about, arrays)


def _about(path: Path, said: Mapping[str, str]) -> About:
    if said.get("format") != FORMAT:
        raise InvalidSetting(f"{path} is no sequence model: its format is {said.get('format')!r}", field=FIELD)
    try:
        return About(said["name"], said["version"], said["encoder"], int(said["heads"]), float(said["weight"]))
    except (KeyError, ValueError) as error:
        raise InvalidSetting(f"{path} is damaged: {error} in its metadata; train it again", field=FIELD) from error


def write_sequence_model(folder: Path, model: SequenceModel, beside: Mapping[str, bytes]) -> Path:
    """Write a model and the files *beside* it, by name; return its file. On disk before this returns.

    The model comes last and whole: a folder without it is no model. Raises ``InvalidSetting`` where it cannot be
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


def written(path: Path, content: bytes) -> None:
    """Write a file whole: on disk before this returns, or not there. Raises ``OSError``."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}.new")
    try:
        with draft.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        with suppress(OSError):
            draft.unlink()
