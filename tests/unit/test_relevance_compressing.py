"""Recipes for smaller models: what they say, what they make of a small transformer, and what is refused."""

import asyncio
from pathlib import Path

import numpy as np
import pytest
import torch
from penchant_adapters.encoders import open_encoder
from penchant_adapters.encoders.huggingface import Parts, load_parts
from penchant_adapters.encoders.source import COMPILED, SAMPLED
from penchant_core.errors import InvalidSetting
from penchant_core.vectors import Matrix
from penchant_relevance.compressing.making import Original, make
from penchant_relevance.compressing.pruning import Recovery, layers_of, pruned, recovered
from penchant_relevance.compressing.recipes import Recipe, recipe_of, usual
from safetensors.numpy import load_file, save_file

from tests.encoder_models import write_tiny_encoder

WORDS = [f"word{number}" for number in range(60)]
TEXTS = [
    " ".join(np.random.default_rng(number).choice(WORDS, int(np.random.default_rng(number).integers(2, 7))))
    for number in range(240)
]
RECOVERY = Recovery(epochs=4, batch=16, rate=2e-3)


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_encoder(tmp_path_factory.mktemp("model"), WORDS, layers=4)


@pytest.fixture(scope="module")
def original(folder: Path) -> Original:
    return Original.of(str(folder), TEXTS, seed=1)


def vectors(folder: Path) -> Matrix:
    async def encoded() -> Matrix:
        async with open_encoder(f"hf:{folder}", threads=1, device="cpu") as encoder:
            return await encoder.encode(TEXTS)

    return asyncio.run(encoded())


def likeness(one: Matrix, other: Matrix) -> float:
    """Return how alike the cosines between texts are."""
    return float(np.corrcoef((one @ one.T).ravel(), (other @ other.T).ravel())[0, 1])


def first_numbers(parts: Parts) -> list[float]:
    """Return a number of each layer that tells it from the others."""
    return [float(next(layer.parameters()).detach()[0, 0]) for layer in layers_of(parts.model)]


@pytest.mark.parametrize(
    ("said", "recipe"),
    [
        ("int8", Recipe(weights="int8")),
        ("dim=128", Recipe(dim=128)),
        ("turbo8 + pca=64+layers=3", Recipe(layers=3, dim=64, principal=True, vectors="turbo8")),
    ],
)
def test_a_recipe_says_what_it_is(said: str, recipe: Recipe) -> None:
    assert recipe_of(said) == recipe
    assert recipe_of(recipe.name) == recipe


@pytest.mark.parametrize(
    ("said", "tells"),
    [
        ("", "'' is no step"),
        ("int4", "'int4' is no step"),
        ("int8+bfloat16", "'bfloat16' is no step, or there is one like it already"),
        ("dim=64+pca=32", "one like it already"),
        ("layers=0", "whole number from 1 on"),
        ("dim=many", "whole number from 8 on"),
        ("float32", "'float32' is no step"),
        ("static+layers=2", "has no layers"),
        ("static+dim=64", "pca=N leaves some out"),
        ("int8=3", "'int8=3' is no step"),
    ],
)
def test_what_is_no_recipe_is_refused_with_the_steps_there_are(said: str, tells: str) -> None:
    with pytest.raises(InvalidSetting, match="joined by") as refused:
        recipe_of(said)
    assert tells in str(refused.value)


def test_the_usual_recipes_are_of_vectors_only_where_a_model_cannot_be_made_anew() -> None:
    assert [recipe.name for recipe in usual(512, None)] == ["float16", "turbo8", "turbo4"]
    names = [recipe.name for recipe in usual(384, 6)]
    assert {"int8", "pca=192", "dim=96", "layers=3", "layers=3+pca=192+int8+turbo8"} <= set(names)
    assert all(recipe_of(name).name == name for name in names)


def test_layers_that_stay_are_spread_evenly_and_the_original_keeps_its_own(folder: Path) -> None:
    parts = load_parts(str(folder), torch.device("cpu"), torch.float32)
    before, kept = first_numbers(parts), first_numbers(fewer := pruned(parts, 2))
    assert kept == [before[0], before[3]]
    assert len(layers_of(fewer.model)) == fewer.model.config.num_hidden_layers == 2
    assert len(layers_of(parts.model)) == parts.model.config.num_hidden_layers == 4
    with pytest.raises(InvalidSetting, match="4 is not below the 4 layers"):
        pruned(parts, 4)


def test_a_network_with_fewer_layers_learns_what_all_of_them_said(original: Original) -> None:
    told: list[tuple[int, int]] = []
    found = recovered(
        original.parts, pruned(original.parts, 2), original.texts, RECOVERY, lambda *how_far: told.append(how_far)
    )
    assert max(found.curve) > found.curve[0] + 0.02
    assert told[-1] == (len(told), len(told))
    again = recovered(original.parts, pruned(original.parts, 2), original.texts, RECOVERY, lambda *_: None)
    assert again.curve == found.curve


def test_too_few_texts_to_train_on_are_refused(original: Original) -> None:
    with pytest.raises(InvalidSetting, match="10 texts are too few to train on"):
        recovered(original.parts, pruned(original.parts, 2), TEXTS[:10], RECOVERY, lambda *_: None)


def test_the_axes_that_matter_keep_more_of_the_cosines_than_the_first_numbers(
    original: Original, folder: Path, tmp_path: Path
) -> None:
    whole = vectors(folder)
    kept = {}
    for recipe in (Recipe(dim=8), Recipe(dim=8, principal=True)):
        make(original, recipe, tmp_path / recipe.name, RECOVERY, lambda *_: None)
        rows = vectors(tmp_path / recipe.name)
        assert rows.shape == (len(TEXTS), 8)
        kept[recipe.name] = likeness(rows, whole)
    assert kept["pca=8"] > kept["dim=8"]
    assert kept["pca=8"] > 0.9
    np.testing.assert_allclose(vectors(folder), whole, atol=1e-6)


@pytest.mark.parametrize(("weights", "least"), [("bfloat16", 0.999), ("int8", 0.98)])
def test_fewer_bits_say_nearly_the_same_in_less_room(
    original: Original, folder: Path, tmp_path: Path, weights: str, least: float
) -> None:
    made = tmp_path / "made"
    make(original, Recipe(weights=weights), made, RECOVERY, lambda *_: None)
    assert np.einsum("ij,ij->i", vectors(made), vectors(folder)).mean() > least
    file = (made / COMPILED).with_suffix(".bin") if weights == "int8" else made / "model.safetensors"
    assert file.stat().st_size < 0.6 * (folder / "model.safetensors").stat().st_size


def test_whole_numbers_that_give_other_vectors_on_this_machine_are_refused(original: Original, tmp_path: Path) -> None:
    made = tmp_path / "made"
    make(original, Recipe(weights="int8"), made, RECOVERY, lambda *_: None)
    told = load_file(made / SAMPLED)
    assert 0.9 < told["least"] < 0.98
    rows = told["full"].copy()
    rows[3] = -rows[3]
    save_file({**told, "full": rows}, made / SAMPLED)
    with pytest.raises(InvalidSetting, match=r"int8 gives other vectors here: a cosine of -0\.9"):
        open_encoder(f"hf:{made}")


def test_a_cut_below_the_numbers_there_are_is_refused(original: Original, tmp_path: Path) -> None:
    with pytest.raises(InvalidSetting, match="32 is not below the 32 numbers"):
        make(original, Recipe(dim=32), tmp_path / "made", RECOVERY, lambda *_: None)


def test_what_is_made_is_read_alike_by_sentence_transformers(original: Original, tmp_path: Path) -> None:
    library = pytest.importorskip("sentence_transformers")
    make(original, Recipe(layers=2, dim=16, principal=True), tmp_path / "made", RECOVERY, lambda *_: None)
    theirs = library.SentenceTransformer(str(tmp_path / "made"), device="cpu").encode(TEXTS)
    np.testing.assert_allclose(vectors(tmp_path / "made"), theirs, atol=1e-5)


@pytest.mark.parametrize("recipe", [Recipe(weights="static"), Recipe(weights="static", dim=16, principal=True)])
def test_a_table_of_tokens_is_read_alike_by_sentence_transformers(
    original: Original, folder: Path, tmp_path: Path, recipe: Recipe
) -> None:
    library = pytest.importorskip("sentence_transformers")
    make(original, recipe, tmp_path / "made", RECOVERY, lambda *_: None)
    ours = vectors(tmp_path / "made")
    assert ours.shape == (len(TEXTS), recipe.dim or 32)
    theirs = library.SentenceTransformer(str(tmp_path / "made"), device="cpu").encode(TEXTS)
    np.testing.assert_allclose(ours, theirs, atol=1e-5)
    assert likeness(ours, vectors(folder)) > 0.3


def test_a_table_says_something_of_every_text_and_of_order_nothing(original: Original, tmp_path: Path) -> None:
    make(original, Recipe(weights="static"), tmp_path / "made", RECOVERY, lambda *_: None)

    async def encoded() -> Matrix:
        async with open_encoder(f"hf:{tmp_path / 'made'}") as encoder:
            return await encoder.encode(["word1 word2", "word2 word1", "", "\x00", "word1 " * 5_000])

    rows = asyncio.run(encoded())
    assert np.isfinite(rows).all()
    np.testing.assert_allclose(rows[0], rows[1], atol=1e-6)
