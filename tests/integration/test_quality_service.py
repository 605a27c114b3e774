"""A service of its own, asked like the exact score, gives the same lists."""

from pathlib import Path

import numpy as np
import pytest
from penchant_bench.quality.datasets import DataSet
from penchant_bench.quality.encoding import encode_items
from penchant_bench.quality.offline import Measurement
from penchant_bench.quality.service import ServiceMeasurement, settings
from penchant_core.model import Item
from penchant_core.tuning import Scoring, Tuning

WORDS = ("tea", "coffee", "piano", "violin", "tent", "boots", "novel", "atlas", "lamp", "chair", "apple", "bread")


def walks(users: int = 20, steps: int = 20) -> DataSet:
    """Return users who walk through 48 items, mostly on to the neighbour, and rate what they pass."""
    random = np.random.default_rng(3)
    titles = [f"{colour} {word}" for word in WORDS for colour in ("red", "green", "blue", "old")]
    user = np.tile(np.arange(users), steps)
    # Nobody comes to an item twice: what was met before is no target.
    wander, stroll = [random.permutation(48)[:steps] for _ in range(users)], np.arange(steps)
    paths = np.array([wander[u] if u % 3 == 0 else (5 * u + stroll) % 48 for u in range(users)])
    return DataSet(
        name="movielens_small",
        items=tuple(Item(item_id=f"i{n}", title=title) for n, title in enumerate(titles)),
        users=tuple(f"u{n}" for n in range(users)),
        user=user,
        item=paths.T.reshape(-1),
        time=1_700_000_000_000 + np.arange(users * steps) * 1000,
        type="rate",
        value=random.choice([2.0, 4.0, 5.0], users * steps),
    )


async def test_the_service_gives_the_lists_of_the_exact_score(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    data, tuning = walks(), Tuning(scoring=Scoring(evidence=4.0, content=0.2, dislike=0.05))
    vectors, _ = await encode_items(data, "builtin:", lambda _: None)
    exact = Measurement(data, vectors, tuning, lambda *_: None).run()["replay"]["Penchant"]
    served = (await ServiceMeasurement(data, tuning, "builtin:", lambda *_: None).run())["replay"]
    assert served["asks"] == exact["asks"] > 10
    assert 0.1 < exact["NDCG@10"]["mean"] < 1.0
    assert served["NDCG@10"]["mean"] == pytest.approx(exact["NDCG@10"]["mean"], rel=0.02)
    assert served["coverage@10"] == pytest.approx(exact["coverage@10"], rel=0.05)


def test_every_number_of_a_tuning_becomes_a_setting() -> None:
    found = settings(Tuning(scoring=Scoring(evidence=3.0)))
    assert found["scoring__evidence"] == 3.0
    assert found["covisitation__reach"] == Tuning().covisitation.reach
    assert "covisitation__half_life_days" not in found, "none is the default, and no text says none"
