"""Transformers small enough to train in a test: random weights, and a real tokenizer over the words they are given."""

from collections.abc import Iterable
from io import BytesIO
from pathlib import Path

import torch
from PIL import Image
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing
from transformers import (
    BertConfig,
    BertModel,
    CLIPConfig,
    CLIPImageProcessorPil,
    CLIPModel,
    PreTrainedTokenizerFast,
    SiglipConfig,
    SiglipImageProcessorPil,
    SiglipModel,
)

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def write_tiny_encoder(folder: Path, words: Iterable[str], seed: int = 1, layers: int = 2) -> Path:
    """Write a BERT of 32 numbers that knows *words*, as a plain transformer; return its folder."""
    vocabulary = _write_tokenizer(folder, words)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = BertModel(
            BertConfig(
                vocab_size=len(vocabulary),
                hidden_size=32,
                num_hidden_layers=layers,
                num_attention_heads=2,
                intermediate_size=64,
                max_position_embeddings=32,
                initializer_range=0.2,
            )
        )
    model.save_pretrained(folder)
    return folder


def _write_tokenizer(folder: Path, words: Iterable[str]) -> dict[str, int]:
    vocabulary = {word: number for number, word in enumerate((*SPECIAL, *dict.fromkeys(words)))}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.post_processor = TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    names = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), SPECIAL, strict=True))
    PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer, model_max_length=32, **names
    ).save_pretrained(folder)
    return vocabulary


def write_tiny_seeing(folder: Path, words: Iterable[str], kind: str = "clip", seed: int = 1) -> Path:
    """Write a model of two transformers, of 24 numbers, that knows *words* and sees 32 pixels; return its folder.

    *kind* is ``clip`` or ``siglip``.
    """
    vocabulary = _write_tokenizer(folder, words)
    text = {
        "vocab_size": len(vocabulary),
        "max_position_embeddings": 32,
        "bos_token_id": 2,
        "eos_token_id": 3,
        "pad_token_id": 0,
    }
    layers = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}
    sight = {"image_size": 32, "patch_size": 8}
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = (
            CLIPModel(CLIPConfig(text_config=text | layers, vision_config=sight | layers, projection_dim=24))
            if kind == "clip"
            else SiglipModel(SiglipConfig(text_config=text | layers, vision_config=sight | layers))
        )
        for name, one in model.named_parameters():  # larger than at birth: what is read and seen makes a difference
            if name.endswith("weight") and one.ndim > 1:
                torch.nn.init.normal_(one, std=0.3)
    model.save_pretrained(folder)
    edge = {"height": 32, "width": 32}
    processor = (
        CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size=edge)
        if kind == "clip"
        else SiglipImageProcessorPil(size=edge)
    )
    processor.save_pretrained(folder)
    return folder


def picture(red: int, green: int, blue: int, side: int = 48, kind: str = "PNG") -> bytes:
    """Return the file of a picture of one colour with a dark corner."""
    image = Image.new("RGB", (side, side), (red, green, blue))
    image.paste((10, 10, 10), (0, 0, side // 3, side // 2))
    image.save(file := BytesIO(), kind)
    return file.getvalue()
