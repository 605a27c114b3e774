"""Learned weights between items: files that hold exactly what was fitted, and refusals that say what is wrong."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from penchant_adapters.together import FILE, read_together_model, write_together_model
from penchant_core.counts import dimension
from penchant_core.errors import InvalidSetting
from penchant_core.model import Event
from penchant_core.sequence import number, version_of
from penchant_core.together import AboutTogether, TogetherModel, source
from penchant_core.tuning import DAY, Scoring, Weights

Arrays = dict[str, NDArray[np.generic]]


def arrays() -> Arrays:
    """Return weights of two targets: tea from cup and pot, cup from tea."""
    sources = {"tea": {"cup": 0.5, "pot": -0.25}, "cup": {"tea": 0.75}}
    targets = sorted(sources, key=number)
    spans = [sources[target] for target in targets]
    return {
        "targets.number": np.array([number(target) for target in targets], np.uint64),
        "targets.first": np.cumsum([0, *map(len, spans)]).astype(np.int64),
        "sources.dimension": np.array([source(each) for span in spans for each in span], np.uint32),
        "sources.weight": np.array([value for span in spans for value in span.values()], np.float32),
    }


def model(changed: Arrays | None = None, *, weight: float = 2.0, rank_decay: float = 0.5) -> TogetherModel:
    made = arrays() | (changed or {})
    return TogetherModel(AboutTogether("spring", version_of(made), weight, rank_decay), made)


def test_a_target_lists_its_sources_in_dimensions_that_are_not_those_of_live_counts() -> None:
    dims, values = model().of("tea")
    assert dict(zip(dims.tolist(), values.tolist(), strict=True)) == {source("cup"): 0.5, source("pot"): -0.25}
    assert source("cup") != dimension("cup")
    assert model().of("saucer")[0].shape == (0,)


def test_a_query_shares_the_weight_among_what_is_liked_by_its_own_decay_and_leaves_out_what_is_not() -> None:
    events = [
        Event("1", "u", "purchase", 1 * DAY, "cup"),
        Event("2", "u", "purchase", 2 * DAY, "pot"),
        Event("3", "u", "hide", 3 * DAY, "fork"),
    ]
    scoring = Scoring(rank_decay=0.1, recent=1, half_life_days=1.0, fitted=3.0)
    found = model().shares(events, scoring, Weights())
    assert [share.event for share in found] == [events[1], events[0]]
    assert [share.weight for share in found] == pytest.approx([3.0 * 2.0 * 2 / 3, 3.0 * 2.0 * 1 / 3])
    assert model().shares(events[2:], scoring, Weights()) == ()
    assert model().shares(events, replace(scoring, fitted=0.0), Weights()) == ()


def test_weights_are_written_and_read_again(tmp_path: Path) -> None:
    made = model()
    path = write_together_model(tmp_path / "spring", made, {"figures.json": b"{}"})
    assert path.name == FILE
    found = read_together_model(tmp_path / "spring")
    assert found.about == made.about
    assert all(np.array_equal(found.arrays[name], each) for name, each in made.arrays.items())
    assert sorted(each.name for each in (tmp_path / "spring").iterdir()) == ["figures.json", FILE]


def test_a_missing_or_damaged_file_is_refused_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(InvalidSetting, match="penchant train together"):
        read_together_model(tmp_path)
    path = write_together_model(tmp_path, model(), {})
    whole = path.read_bytes()
    for damaged in (whole[:100], whole[:-4], b"", whole[:-1] + bytes([whole[-1] ^ 1])):
        path.write_bytes(damaged)
        with pytest.raises(InvalidSetting, match="is damaged"):
            read_together_model(tmp_path)
    path.write_bytes(whole.replace(b"penchant-together-1", b"penchant-together-9"))
    with pytest.raises(InvalidSetting, match="holds no weights between items"):
        read_together_model(tmp_path)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: model(weight=float("nan")), "out of range"),
        (lambda: model(rank_decay=1.5), "rank_decay 1.5"),
        (lambda: model({"sources.weight": np.array([1, np.inf, 1], np.float32)}), "out of range"),
        (lambda: model({"sources.dimension": np.array([2, 99, 98], np.uint32)}), "out of range"),
        (lambda: model({"sources.weight": np.ones(2, np.float32)}), "do not fit together"),
        (lambda: model({"targets.first": np.array([0, 4, 3], np.int64)}), "do not fit together"),
        (lambda: model({"targets.number": np.array([7, 7], np.uint64)}), "do not fit together"),
        (lambda: model({"targets.first": np.array([], np.int64)}), "do not fit together"),
        (lambda: model({"targets.number": np.array([1, 2], np.int32)}), "targets.number is missing"),
    ],
)
def test_arrays_that_do_not_fit_are_refused_by_name(make: Callable[[], TogetherModel], said: str) -> None:
    with pytest.raises(InvalidSetting, match=said):
        make()
