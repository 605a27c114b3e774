"""A tiny transformer of random weights, with what a real model's folder has: for tests that need a second encoder."""

import os
from pathlib import Path

import pytest

LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"


def tiny_model(folder: Path, seed: int = 1) -> str:
    """Write one, and return its URL; skips without torch."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *LETTERS, *(f"##{letter}" for letter in LETTERS)]
    folder.mkdir(parents=True)
    vocabulary = {word: number for number, word in enumerate(words)}
    tokenizer = transformers.BertTokenizerFast(vocab=vocabulary)
    tokenizer.save_pretrained(folder)
    config = transformers.BertConfig(
        vocab_size=len(words), hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
        initializer_range=1.0,
    )  # fmt: skip
    transformers.BertModel(config).save_pretrained(folder)
    return f"hf:{folder}"
