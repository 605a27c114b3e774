"""A service of its own, asked like the exact score, gives the same lists."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from penchant_bench.quality.report import SERVED, agreement
from penchant_bench.quality.service import ServiceMeasurement, settings
from penchant_core.model import Event, Item
from penchant_core.trained import Trained
from penchant_core.tuning import Scoring, Tuning
from penchant_relevance.encoding import encode
from penchant_relevance.evaluation import Evaluation, Learners
from penchant_relevance.log import Log, check, log_of
from penchant_relevance.measure import Measure, figures, measured
from penchant_relevance.plans import Plan
from penchant_relevance.scoring import Learned, Mixture
from penchant_relevance.together import TogetherSettings, fitted, frozen

from tests.sequence_models import model

WORDS = ("tea", "coffee", "piano", "violin", "tent", "boots", "novel", "atlas", "lamp", "chair", "apple", "bread")
START = 1_700_000_000_000


def walks(users: int = 20, steps: int = 20, *, words: bool) -> Log:
    """Return users who walk through 48 items, mostly on to the neighbour, and rate what they pass.

    With *words* every other one searches for what comes next, and the others review what they pass.
    """
    random = np.random.default_rng(3)
    titles = [f"{colour} {word}" for word in WORDS for colour in ("red", "green", "blue", "old")]
    # Nobody comes to an item twice: what was met before is no target.
    wander, stroll = [random.permutation(48)[:steps] for _ in range(users)], np.arange(steps)
    paths = np.array([wander[u] if u % 3 == 0 else (5 * u + stroll) % 48 for u in range(users)])
    events = []
    for number, (step, user) in enumerate(np.ndindex(steps, users)):
        item, stars, time = int(paths[user, step]), float(random.choice([2.0, 4.0, 5.0])), START + 1000 * number
        said = ("never again" if stars < 3.0 else "just right") if words and user % 2 else ""
        if words and not user % 2:
            events.append(Event("", f"u{user}", "search", time - 300, text=titles[item]))
        events.append(Event("", f"u{user}", "review" if said else "rate", time, f"i{item}", said, stars))
    return log_of("walks", [Item(item_id=f"i{n}", title=title) for n, title in enumerate(titles)], events)


@pytest.mark.parametrize("words", [False, True], ids=["stars alone", "with words"])
async def test_the_service_gives_the_lists_of_the_exact_score(
    words: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    log, plan = walks(words=words), Plan("replay", (Measure("NDCG@10"), Measure("Recall@20"), Measure("MRR@10")))
    tuning = Tuning(scoring=Scoring(evidence=4.0, content=0.2, dislike=0.05, words=0.5))
    check(log, tuning.weights)
    encoded: list[tuple[int, int]] = []
    content, encoder = await encode(log, "builtin:", lambda *done: encoded.append(done))
    assert encoded[-1] == (48 + len(log.texts), 48 + len(log.texts))
    assert encoder
    exact = Evaluation(log, content, tuning, plan, lambda *_: None).run()["live"]["Penchant"]
    served = await ServiceMeasurement(log, plan, tuning, "builtin:", lambda *_: None).run()
    assert served["asks"] == exact["asks"] > 10
    assert 0.1 < exact["NDCG@10"]["mean"] < 1.0
    for measure in plan.measures:
        assert served[measure.name]["mean"] == pytest.approx(exact[measure.name]["mean"], rel=0.02)
    assert served["coverage@10"] == pytest.approx(exact["coverage@10"], rel=0.05)
    assert served["seconds"]["asking"] > 0.0
    assert "NDCG@10" in agreement({SERVED: served, "Penchant": exact})


async def test_the_service_gives_the_lists_of_the_exact_score_with_trained_models(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    log, tuning = walks(words=True), Tuning(scoring=Scoring(evidence=4.0, content=0.2, learned=0.3, fitted=0.5))
    plan = Plan("replay", (Measure("NDCG@10"), Measure("MRR@10")))
    content, encoder = await encode(log, "builtin:", lambda *_: None)
    ids = [item.item_id for item in log.items]
    asks = plan.asks(log, tuning.weights)
    sequence = model(encoder=encoder, dim=content.items.shape[1], weight=0.1, ids=ids[:30])
    chosen = TogetherSettings(penalty=30.0, rank_decay=1.0, weight=6.0)
    pairs = fitted(asks, asks.before(), chosen.penalty)
    learners = Learners(asks, tuning)
    plain = Mixture(tuning, content, learners.counts)
    with_one = replace(plain, learned=Learned.of(sequence, content))
    with_other = replace(plain, fitted=chosen.read(pairs))
    models = {"plain": plain, "one": with_one, "other": with_other, "both": replace(with_one, fitted=with_other.fitted)}
    outcomes = measured(asks, models, plan.measures, learners.learn, lambda _: None)
    exact = figures(outcomes, len(ids), "plain")
    trained = Trained(sequence, frozen(pairs, "walks", ids, chosen))
    found = await ServiceMeasurement(log, plan, tuning, "builtin:", lambda *_: None).run(trained)
    for measure in plan.measures:
        both = exact["both"][measure.name]["mean"]
        assert found[measure.name]["mean"] == pytest.approx(both, rel=0.01)
        for less in ("plain", "one", "other"):
            assert abs(exact[less][measure.name]["mean"] - both) > 0.02 * both, f"more than {less} makes a difference"


def test_every_number_of_a_tuning_becomes_a_setting() -> None:
    found = settings(Tuning(scoring=Scoring(evidence=3.0)))
    assert found["scoring__evidence"] == 3.0
    assert found["covisitation__reach"] == Tuning().covisitation.reach
    assert "covisitation__half_life_days" not in found, "none is the default, and no text says none"
