"""Trained models as folders: one safetensors file for programs, beside it what people want to know of it.

Nothing but numbers is read: safetensors runs no code. The file's metadata say what the model is and which version its
numbers must have, so that a file that was cut short or changed is refused.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from penchant_core.errors import InvalidSetting
from penchant_core.sequence import version_of
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from penchant_adapters.wholefiles import write_whole

GREATEST_BYTES = 8 << 30
Arrays = Mapping[str, NDArray[np.generic]]


@dataclass(frozen=True, slots=True)
class ModelFile:
    """How one kind of model is kept."""

    name: str
    """Of the file."""
    format: str
    """Stands in the metadata; another one is another kind of file."""
    field: str
    """The setting that names the folder, which errors name."""
    command: str
    """What writes one."""
    refusal: str
    """What errors say of a file of another format."""

    def read(self, folder: Path, about: type[Any], numbers: Mapping[str, type] | None = None) -> tuple[Any, Arrays]:
        """Return what the model of a folder is, made of its metadata by *about*, and its arrays.

        *about* is a dataclass that has a version; its fields are text but for *numbers*. Raises ``InvalidSetting``
        where there is no model, or it is damaged.
        """
        path = folder / self.name
        if not path.is_file():
            raise InvalidSetting(f"there is no {path}; `{self.command} --out {folder}` writes one", field=self.field)
        if (size := path.stat().st_size) > GREATEST_BYTES:
            raise InvalidSetting(f"{path} has {size:,} bytes, at most {GREATEST_BYTES:,} are read", field=self.field)
        try:
            with safe_open(path, framework="np") as file:
                said = file.metadata() or {}
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 it is no mapping
        except (SafetensorError, OSError, ValueError) as error:
            raise self._damaged(path, f"{error}; copy it anew, or train it again") from error
        if said.get("format") != self.format:
            raise InvalidSetting(f"{path} {self.refusal}: its format is {said.get('format')!r}", field=self.field)
        try:
            told = {name: (numbers or {}).get(name, str)(said[name]) for name in about.__dataclass_fields__}
        except (KeyError, ValueError) as error:
            raise self._damaged(path, f"{error} in its metadata; train it again") from error
        if version_of(arrays) != told["version"]:
            other = f"its numbers are not those of version {told['version']}; copy it anew, or train it again"
            raise self._damaged(path, other)
        return about(**told), arrays

    def write(self, folder: Path, about: Any, arrays: Arrays, beside: Mapping[str, bytes]) -> Path:
        """Write a model and the files *beside* it, by name; return its file. On disk before this returns.

        The model comes last and whole: a folder without it is no model. Raises ``InvalidSetting`` where it cannot be
        written.
        """
        path = folder / self.name
        said = {name: str(value) for name, value in asdict(about).items()}
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for name, content in beside.items():
                write_whole(folder / name, content)
            write_whole(path, save(dict(arrays), metadata={"format": self.format, **said}))
        except OSError as error:
            raise InvalidSetting(f"cannot write {path}: {error.strerror}", field="out") from error
        return path

    def _damaged(self, path: Path, how: str) -> InvalidSetting:
        return InvalidSetting(f"{path} is damaged: {how}", field=self.field)
