"""Encoders that see: texts and pictures in one space, on small models of the real architectures."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from shutil import move
from typing import Any

import numpy as np
import pytest
from penchant_adapters.encoders import CachedEncoder, VectorFile, WorkerEncoder, open_encoder
from penchant_core.errors import EncoderFailed, InvalidSetting
from penchant_core.model import Item, Pictured
from penchant_core.vectors import Matrix

from tests.encoder_models import picture, write_tiny_encoder, write_tiny_seeing

WORDS = ["trail", "shoes", "red", "lipstick", "argan", "oil"]
RED, GREEN, BLUE = picture(200, 30, 30), picture(30, 180, 60, kind="JPEG"), picture(20, 40, 220, kind="WEBP")
TORN = picture(90, 90, 90, side=200, kind="JPEG")[:700]


@pytest.fixture(params=["clip", "siglip"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return write_tiny_seeing(tmp_path / request.param, WORDS, request.param)


@pytest.fixture
async def encoder(folder: Path) -> AsyncIterator[WorkerEncoder]:
    async with open_encoder(f"hf:{folder}", device="cpu", threads=1) as encoder:
        yield encoder


def unit(rows: Any) -> Matrix:
    rows = np.asarray(rows, np.float32)
    units: Matrix = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return units


def plainly(folder: Path, texts: list[str], files: list[bytes]) -> tuple[Matrix, Matrix]:
    """Return the vectors as transformers' own documentation makes them."""
    from io import BytesIO

    import torch
    from PIL import Image
    from transformers import AutoImageProcessor, AutoModel, AutoTokenizer

    model = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    padding = "max_length" if folder.name == "siglip" else True
    tokens = AutoTokenizer.from_pretrained(folder)(
        texts, padding=padding, max_length=32, truncation=True, return_tensors="pt"
    )
    images = AutoImageProcessor.from_pretrained(folder, backend="pil")(  # type: ignore[no-untyped-call]
        [Image.open(BytesIO(file)).convert("RGB") for file in files], return_tensors="pt"
    )
    given = {name: tokens[name] for name in ("input_ids", "attention_mask")}
    with torch.inference_mode():
        return (
            unit(model.get_text_features(**given).pooler_output),
            unit(model.get_image_features(**images).pooler_output),
        )


async def test_texts_and_pictures_of_one_call_are_what_transformers_makes_of_them(
    folder: Path, encoder: WorkerEncoder
) -> None:
    rows = await encoder.encode([RED, "trail shoes", GREEN, "red lipstick oil", "argan", BLUE])
    texts, pictures = plainly(folder, ["trail shoes", "red lipstick oil", "argan"], [RED, GREEN, BLUE])
    np.testing.assert_allclose(rows[[1, 3, 4]], texts, atol=2e-5)
    np.testing.assert_allclose(rows[[0, 2, 5]], pictures, atol=2e-5)
    # The tiny model tells them apart, or all of this would say nothing.
    assert (pictures @ pictures.T)[0, 1] < 0.999
    assert (texts @ texts.T)[0, 1] < 0.999
    assert encoder.how.startswith("cpu, float32, torch, sees pictures, 24 numbers a vector")


async def test_a_torn_picture_fails_and_takes_nothing_along(encoder: WorkerEncoder) -> None:
    import asyncio

    calls = [encoder.encode([one]) for one in ("trail", RED, TORN, "shoes", BLUE)]
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert [isinstance(one, BaseException) for one in answers] == [False, False, True, False, False]
    assert isinstance(answers[2], EncoderFailed)
    assert "a picture of 700 bytes is damaged" in str(answers[2])


async def test_an_item_is_its_words_and_its_pictures_half_and_half(encoder: WorkerEncoder, tmp_path: Path) -> None:
    async with VectorFile(tmp_path / "vectors.sqlite") as file:
        cached = CachedEncoder(encoder, file)
        item = Item("a", "trail shoes", images=(RED, BLUE))
        (words, red, blue), (found, plain) = (
            await encoder.encode(["trail shoes", RED, BLUE]),
            await cached.encode([item.content, Item("b", "trail shoes").content]),
        )
        pictures = (red + blue) / np.linalg.norm(red + blue)
        np.testing.assert_allclose(found, (words + pictures) / np.linalg.norm(words + pictures), atol=1e-3)
        np.testing.assert_allclose(plain, words, atol=1e-3)
        # The words were asked for once, and another item with the same picture brings nothing new.
        assert cached.counts.misses == 3
        await cached.encode([Pictured("trail shoes", (BLUE,))])
        assert cached.counts.misses == 3


async def test_a_model_that_does_not_see_reads_the_words(tmp_path: Path) -> None:
    folder = write_tiny_encoder(tmp_path / "blind", WORDS)
    async with open_encoder(f"hf:{folder}", device="cpu") as encoder, VectorFile(tmp_path / "v.sqlite") as file:
        assert not encoder.sees
        cached = CachedEncoder(encoder, file)
        one, other = await cached.encode([Pictured("trail shoes", (RED,)), "trail shoes"])
        np.testing.assert_array_equal(one, other)


async def test_a_folder_as_sentence_transformers_writes_it(tmp_path: Path) -> None:
    inner = write_tiny_seeing(tmp_path / "inner", WORDS)
    async with open_encoder(f"hf:{inner}", device="cpu") as encoder:
        expected = await encoder.encode(["trail", RED])
    outer = tmp_path / "outer"
    outer.mkdir()
    move(inner, outer / "0_CLIPModel")
    module = {"idx": 0, "name": "0", "path": "0_CLIPModel", "type": "sentence_transformers.models.CLIPModel"}
    (outer / "modules.json").write_text(json.dumps([module]))
    async with open_encoder(f"hf:{outer}", device="cpu") as encoder:
        np.testing.assert_allclose(await encoder.encode(["trail", RED]), expected, atol=1e-6)


async def test_fewer_bits_give_the_same_vectors_or_are_refused(folder: Path, encoder: WorkerEncoder) -> None:
    async with open_encoder(f"hf:{folder}", device="cpu", precision="bfloat16") as other:
        rows, full = await other.encode(["trail", RED]), await encoder.encode(["trail", RED])
    assert np.einsum("ij,ij->i", rows, full).min() > 0.98
    with pytest.raises(InvalidSetting, match="sees pictures and is run by torch only"):
        open_encoder(f"hf:{folder}", device="cpu", runtime="openvino")


async def test_without_what_prepares_pictures_it_is_refused(tmp_path: Path) -> None:
    folder = write_tiny_seeing(tmp_path, WORDS)
    (folder / "preprocessor_config.json").unlink()
    with pytest.raises(InvalidSetting, match="cannot be used"):
        open_encoder(f"hf:{folder}", device="cpu")
