"""Where a model's files are: a local folder, or a name on the Hugging Face hub at a revision."""

import json
import os
from collections.abc import Iterable
from hashlib import blake2b
from pathlib import Path
from typing import Any

from penchant_core.errors import InvalidSetting
from transformers.utils.hub import cached_file, extract_commit_hash

from penchant_adapters.encoders.layout import Layout, read_layout
from penchant_adapters.encoders.projection import Projection, read_projection

COMPILED = "openvino/openvino_model_qint8_quantized.xml"
"""Where sentence-transformers, too, looks for a network in whole numbers."""
SAMPLED = "openvino/sample.safetensors"
"""Beside it: vectors of fixed texts in full precision, and how like them those in whole numbers must be."""
FIGURES = "figures.json"
"""What training writes beside a model; it decides no vector."""
_VOCABULARIES = (
    "tokenizer.json",
    "vocab.txt",
    "vocab.json",
    "tokenizer.model",
    "spiece.model",
    "sentencepiece.bpe.model",
)
"""Where tokenizers keep what they know."""
WHATEVER_DECIDES = ("**/*.json", "**/*.safetensors", "**/*.txt", "openvino/*.xml", "openvino/*.bin")
"""Files whose content decides the vectors."""


def kind_of(place: str) -> str:
    """Return what a model is: ``compiled`` for OpenVINO, ``static``, ``seeing``, or ``huggingface``, a transformer."""
    folder = Path(place)
    if (folder / COMPILED).is_file() and not (folder / "model.safetensors").exists():
        return "compiled"
    try:
        layout = ModelSource(place).layout()
    except (OSError, InvalidSetting):
        return "huggingface"  # which says what is wrong
    return "static" if layout.static else "seeing" if layout.sees else "huggingface"


class ModelSource:
    """A model's files."""

    def __init__(self, place: str) -> None:
        """*place* is a folder, a hub name, or ``NAME@REVISION``."""
        self.local = Path(place).exists()
        self.name, _, revision = (place, "", "") if self.local else place.partition("@")
        self.revision = revision or "main"

    def layout(self) -> Layout:
        """Return how the model asks to be used. Raises ``InvalidSetting`` for what is not supported."""
        return read_layout(self._json)

    def projections(self, layout: Layout) -> list[Projection]:
        """Return the layers behind the pooling. Raises ``InvalidSetting`` and ``OSError``."""
        found = []
        for dense in layout.dense:
            file = f"{dense.folder}/model.safetensors"
            if (path := self._path(file)) is None:
                raise InvalidSetting(
                    f"{self.name} has no {file}; other formats than safetensors are refused", "encoder"
                )
            found.append(read_projection(path, tanh=dense.tanh))
        return found

    def file(self, name: str) -> Path:
        """Return where a file is. Raises ``FileNotFoundError``."""
        if (path := self._path(name)) is None:
            raise FileNotFoundError(f"{self.name} has no {name}")
        return path

    def refuse_unread(self, layout: Layout) -> None:
        """Raise ``FileNotFoundError`` without a tokenizer: transformers would make up one that knows nothing."""
        if not any(self._path(layout.inside(name)) for name in _VOCABULARIES):
            raise FileNotFoundError(f"{self.name} has no tokenizer: none of {', '.join(_VOCABULARIES)}")

    def commit(self, path: Path) -> str | None:
        """Return the commit that a file of a hub model is from."""
        return extract_commit_hash(str(path), None)

    def identity(self, commit: str | None) -> str:
        """Return the model's name with a hash of its files, or with the *commit* that the hub gave."""
        if self.local:
            return f"hf:{Path(self.name).resolve().name}@{content_hash(Path(self.name), WHATEVER_DECIDES)}"
        return f"hf:{self.name}@{commit or self.revision}"

    def _json(self, file: str) -> Any:
        path = self._path(file)
        return None if path is None else json.loads(path.read_text(encoding="utf-8"))

    def _path(self, file: str) -> Path | None:
        path = cached_file(self.name, file, revision=self.revision, _raise_exceptions_for_missing_entries=False)
        return None if path is None else Path(path)


def content_hash(folder: Path, patterns: Iterable[str]) -> str:
    """Hash the files of a folder. Weights too: a fine-tuned model differs from its parent in nothing else."""
    digest = blake2b(digest_size=8)
    for path in sorted(p for pattern in patterns for p in folder.glob(pattern) if p.name != FIGURES):
        digest.update(os.fsencode(path.relative_to(folder).as_posix()))
        with path.open("rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
    return digest.hexdigest()
