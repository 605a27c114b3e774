"""A tiny encoder without torch, with what a real model's folder has: letters' vectors, drawn at random."""

import json
import os
import string
from pathlib import Path

import numpy as np
import pytest

WIDTH = 32


def tiny_model(folder: Path, seed: int = 1) -> str:
    """Write one, as model2vec does, and return its URL; skips where such models cannot be read."""
    pytest.importorskip("transformers")
    tokenizers = pytest.importorskip("tokenizers")
    safetensors = pytest.importorskip("safetensors.numpy")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"model_type": "model2vec"}))
    vocabulary = {letter: number for number, letter in enumerate(("?", *string.printable[:62], " "))}
    letters = {one: number for one, number in vocabulary.items() if one != "?"} | {"[UNK]": 0}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE(letters, [], unk_token="[UNK]"))
    tokenizer.save(str(folder / "tokenizer.json"))
    rows = np.random.default_rng(seed).normal(size=(len(vocabulary), WIDTH)).astype(np.float32)
    safetensors.save_file({"embeddings": rows}, folder / "model.safetensors")
    return f"hf:{folder}"
