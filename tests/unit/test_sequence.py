"""A sequence model gives what the network gives that was trained, knows strangers by their words, and is checked."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from penchant_adapters.sequences import FILE, read_sequence_model, write_sequence_model
from penchant_adapters.trained import refuse_other
from penchant_core.counts import Counts
from penchant_core.errors import InvalidSetting
from penchant_core.explanation import Kind, explain
from penchant_core.interests import Known, expectation, interests_of, interests_said
from penchant_core.model import Event, Item
from penchant_core.sequence import SequenceModel
from penchant_core.tuning import Covisitation, Scoring, Tuning
from penchant_core.voices import voices_of
from penchant_relevance.sasrec import newest_states
from penchant_relevance.sequences import SequenceNetwork, SequenceSettings, frozen
from safetensors.numpy import save

from tests.sequence_models import arrays, model
from tests.unit.relevance_logs import unit_rows

ITEMS, DIM, WIDTH, LENGTH = 20, 8, 16, 6
IDS = [f"item-{n}" for n in range(ITEMS)]
Arrays = dict[str, NDArray[np.generic]]


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def network(blocks: int = 2) -> SequenceNetwork:
    settings = SequenceSettings(width=WIDTH, blocks=blocks, length=LENGTH)
    torch.manual_seed(blocks)
    made = SequenceNetwork(unit_rows(ITEMS, DIM), np.arange(ITEMS) < 15, settings)
    for each in made.parameters():
        torch.nn.init.normal_(each, std=0.4)
    return made.eval()


@pytest.mark.parametrize("blocks", [1, 2, 3])
def test_a_frozen_model_gives_what_its_network_gives(blocks: int) -> None:
    trained = network(blocks)
    found = frozen(trained, "n", "e", IDS, 0.1, heads=2)
    embeddings = found.embed(IDS, unit_rows(ITEMS, DIM))
    with torch.inference_mode():
        assert embeddings == pytest.approx(trained.candidates(torch.arange(ITEMS)).numpy(), abs=1e-5)
    random = np.random.default_rng(blocks)
    read = [random.integers(0, ITEMS, length) for length in (1, 2, 3, LENGTH)]
    ((_, states),) = newest_states(trained, read)
    for items, state in zip(read, states.numpy(), strict=True):
        assert found.state(embeddings[items]) == pytest.approx(state, abs=1e-5)
        longer = np.concatenate([random.integers(0, ITEMS, 3), items])
        if len(items) == LENGTH:
            assert found.state(embeddings[longer]) == pytest.approx(state, abs=1e-5)
        else:
            assert not np.allclose(found.state(embeddings[longer]), state, atol=1e-3)


def test_an_item_that_training_never_saw_is_what_its_words_say() -> None:
    found = frozen(network(), "n", "e", IDS, 0.1, heads=2)
    words = unit_rows(1, DIM)
    strangers = found.embed(["never seen", "item-17"], np.repeat(words, 2, axis=0))
    assert strangers[0] == pytest.approx(strangers[1])
    familiar = found.embed(["item-3"], words)
    assert not np.allclose(familiar, strangers[0], atol=1e-3)
    assert np.linalg.norm(familiar) == pytest.approx(1.0)


@given(st.permutations(IDS[:8]), st.integers(0, 3))
@settings(max_examples=20, deadline=None)
def test_an_explanation_holds_what_is_learned_and_adds_up_to_the_score(order: list[str], disliked: int) -> None:
    made, tuning = model(dim=DIM), Tuning(scoring=Scoring(learned=2.0))
    rows = unit_rows(ITEMS, DIM)
    known = {
        item: Known(Item(item, item), row, Counts(), z)
        for item, row, z in zip(IDS, rows, made.embed(IDS, rows), strict=True)
    }
    events = [Event(str(n), "u", "hide" if n < disliked else "purchase", n, item) for n, item in enumerate(order)]
    interests = interests_of(events, known, {}, tuning, now=100)
    assert interests.learned is None
    interests = interests_said(voices_of(events, tuning.scoring, tuning.weights), known, {}, tuning, 100, made)
    read = np.stack([z for item in order[disliked:] if (z := known[item].learned) is not None])
    assert interests.learned == pytest.approx(made.state(read) * 2.0 * made.about.weight)
    for one in known.values():
        assert one.learned is not None
        assert interests.learned is not None
        score = interests.content @ one.vector + interests.learned @ one.learned
        reasons = explain(one, interests, Covisitation())
        assert sum(reason.contribution for reason in reasons) == pytest.approx(float(score), abs=1e-5)
        (learned,) = [reason for reason in reasons if reason.kind is Kind.LEARNED]
        assert learned.event is None


def test_a_weight_of_nothing_silences_the_model() -> None:
    made, rows = model(dim=DIM), unit_rows(1, DIM)
    known = {"a": Known(Item("a", "a"), rows[0], Counts(), made.embed(["a"], rows)[0])}
    tuning = Tuning(scoring=Scoring(learned=0.0))
    voices = voices_of([Event("1", "u", "purchase", 1, "a")], tuning.scoring, tuning.weights)
    assert expectation(voices, known, made, tuning.scoring) is None
    assert expectation(voices, known, made, Scoring()) is not None
    assert expectation([], known, made, Scoring()) is None


def without(name: str) -> Callable[[Arrays], Arrays]:
    return lambda made: {key: each for key, each in made.items() if key != name}


def with_(name: str, change: Callable[[NDArray[np.generic]], object]) -> Callable[[Arrays], Arrays]:
    return lambda made: made | {name: np.asarray(change(made[name]))}


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (without("words.weight"), "words.weight is missing"),
        (without("blocks.1.output.bias"), r"blocks.1.output.bias has the shape None, \(8,\) fits"),
        (with_("items.weight", lambda a: a[:-1]), r"items.weight has the shape \(19, 8\), \(20, 8\) fits"),
        (with_("norm.bias", lambda a: np.full_like(a, np.nan)), "not finite"),
        (with_("items.number", lambda a: a[::-1]), "does not ascend"),
    ],
)
def test_arrays_that_are_no_model_are_refused_by_name(damage: Callable[[Arrays], Arrays], said: str) -> None:
    with pytest.raises(InvalidSetting, match=said):
        SequenceModel(model().about, damage(arrays()))
    with pytest.raises(InvalidSetting, match="do not divide by 3 heads"):
        SequenceModel(replace(model().about, heads=3), arrays())


def test_a_model_is_written_and_read_again(tmp_path: Path) -> None:
    made = model()
    write_sequence_model(tmp_path / "spring", made, {"README.md": b"# spring"})
    found = read_sequence_model(tmp_path / "spring")
    assert found is not None
    assert found.about == made.about
    rows = unit_rows(3, 8)
    assert np.array_equal(found.embed(IDS[:3], rows), made.embed(IDS[:3], rows))
    assert sorted(path.name for path in (tmp_path / "spring").iterdir()) == ["README.md", FILE]
    assert read_sequence_model(None) is None


def test_what_is_no_model_or_a_damaged_one_is_refused_by_its_file(tmp_path: Path) -> None:
    with pytest.raises(InvalidSetting, match=r"there is no .*model.safetensors; `penchant train sequence"):
        read_sequence_model(tmp_path)
    path = write_sequence_model(tmp_path, model(), {})
    whole = path.read_bytes()
    for damaged in (whole[:100], whole[:-4], b"", b"\xff" * 64):
        path.write_bytes(damaged)
        with pytest.raises(InvalidSetting, match="is damaged"):
            read_sequence_model(tmp_path)
    flipped = bytearray(whole)
    flipped[-3] ^= 1
    path.write_bytes(flipped)
    with pytest.raises(InvalidSetting, match="its numbers are not those of version"):
        read_sequence_model(tmp_path)
    path.write_bytes(save({"a": np.zeros(1, np.float32)}))
    with pytest.raises(InvalidSetting, match="no sequence model: its format is None"):
        read_sequence_model(tmp_path)


def test_a_model_of_another_encoder_or_dimension_is_refused() -> None:
    made = model(encoder="hashed@1")
    refuse_other(made, "hashed@1", 8)
    refuse_other(None, "anything", 1)
    with pytest.raises(InvalidSetting, match="learnt with the encoder hashed@1, and here other reads words"):
        refuse_other(made, "other", 8)
    with pytest.raises(InvalidSetting, match="reads vectors of 8 numbers, and here they have 512"):
        refuse_other(made, "hashed@1", 512)
