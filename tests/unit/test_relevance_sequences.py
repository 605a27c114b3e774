"""A sequence model is trained on what it may see, kept where it gains something, and scores as the service does."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from penchant_core.errors import InvalidSetting
from penchant_core.sequence import SequenceModel
from penchant_core.tuning import Scoring, Tuning, Weights
from penchant_relevance.evaluation import TRAINED, Evaluation, Learners, Progress
from penchant_relevance.log import Log, log_of
from penchant_relevance.measure import Measure
from penchant_relevance.plans import Plan
from penchant_relevance.sasrec import paths_of
from penchant_relevance.scoring import Learned, Mixture, histories
from penchant_relevance.sequence_card import beside
from penchant_relevance.sequence_choice import SequenceChoice, choose, trained
from penchant_relevance.sequences import SequenceSettings, fresh, frozen

from tests.unit.relevance_logs import asked_in, bought, did, everybody, random_purchases, read, shop
from tests.unit.test_relevance_sasrec import with_others_at

GROUPS, USERS = 6, 360
PLAN = Plan("last item", (Measure("NDCG@10"), Measure("Recall@1")))
SMALL = SequenceSettings(width=32, blocks=2, length=12, dropout=0.1, rate=5e-3, batch=512, epochs=14, patience=3)
CPU = torch.device("cpu")


pytestmark = pytest.mark.usefixtures("one_thread")


def parities(users: int = USERS) -> Log:
    """What comes third is settled by the first two together, and by neither of them alone; then comes anything."""
    random = np.random.default_rng(1)
    events = []
    for user in range(users):
        groups = random.permutation(GROUPS)[:4].tolist()
        for turn, group in enumerate(groups):
            one, other = (int(bit) for bit in random.integers(0, 2, 2))
            steps = (one, 2 + other, 4 + (one ^ other))
            events += [(user, 6 * group + item, 100 * (3 * turn + at) + user) for at, item in enumerate(steps)]
        last = next(group for group in range(GROUPS) if group not in groups)
        events.append((user, 6 * last, 10_000 + user))
    return bought(events)


def chosen(log: Log, settings: SequenceSettings = SMALL, tuning: Tuning | None = None) -> SequenceChoice:
    content, tuning = read(log, np.eye(len(log.items), dtype=np.float32)), tuning or Tuning()
    asks = PLAN.asks(log, tuning.weights, validation=True)
    return choose(asks, content, tuning, PLAN.measures[0], lambda *_: None, settings)


@pytest.fixture(scope="module")
def choice() -> SequenceChoice:
    """The choice of a model that is trained until it knows."""
    torch.set_num_threads(1)
    return chosen(parities())


def ids(log: Log) -> list[str]:
    return [item.item_id for item in log.items]


def test_a_model_is_worth_having_where_things_matter_together(choice: SequenceChoice) -> None:
    found = choice
    assert found.verdict.clear
    assert found.weight > 0.0
    assert found.verdict.mixed > found.verdict.default + 0.01
    searched, judged = found.verdict.halves
    assert searched + judged == USERS
    assert found.curve[-1].loss < found.curve[0].loss
    figures = found.figures()
    assert figures["settings"]["epochs"] <= len(figures["curve"])


def test_a_model_that_gains_nothing_is_silent() -> None:
    log = random_purchases(n_events=500)
    found = chosen(log, replace(SMALL, epochs=3, patience=1))
    if not found.weight:
        assert found.verdict.mixed == found.verdict.default
        assert not found.verdict.better
    assert not found.verdict.clear


def test_a_whole_evaluation_trains_for_every_variant_and_writes_what_was_chosen() -> None:
    log = parities(users=60)
    content = read(log, np.eye(len(log.items), dtype=np.float32))
    quiet: Progress = lambda *_: None  # noqa: E731
    evaluation = Evaluation(log, content, Tuning(), PLAN, quiet, with_sequence=True, encoder="made up")
    found, versions = evaluation.run(), set()
    for variant in ("live", "frozen"):
        chosen = found[variant][TRAINED]["chosen"]
        assert "low" in found[variant][TRAINED]["NDCG@10"]
        assert 1 <= chosen["settings"]["epochs"] <= len(chosen["curve"])
        model = evaluation.trained[variant, TRAINED].sequence
        assert model is not None
        assert model.about.encoder == "made up"
        assert model.about.weight == chosen["weight"]
        versions.add(model.about.version)
    assert len(versions) == 2


def test_training_sees_nothing_from_the_first_ask_on() -> None:
    log = parities()
    asks = PLAN.asks(log, Weights(), validation=True)
    other = with_others_at(log, np.setdiff1d(np.arange(len(log)), asks.before()))
    settings = replace(SMALL, epochs=2, patience=2)
    one, another = ([epoch.loss for epoch in chosen(each, settings).curve] for each in (log, other))
    assert one == another


def test_the_same_seed_trains_the_same_model_and_another_another() -> None:
    log = parities()
    settings = replace(SMALL, epochs=2)
    one, again, other = (
        frozen(chosen(log, each).network, "n", "e", ids(log), 0.1, 2).about.version
        for each in (settings, settings, replace(settings, seed=1))
    )
    assert one == again
    assert one != other


def test_an_item_outside_of_training_has_no_own_part_even_as_a_negative() -> None:
    log = log_of("l", shop(12), [did(u, (u + s) % 8, 10 * s + u) for u in range(30) for s in range(5)])
    content = read(log)
    asks = PLAN.asks(log, Weights(), validation=True)
    network = fresh(content.items, paths_of(asks), SMALL, CPU)
    assert network.own.tolist() == [1.0] * 8 + [0.0] * 4
    found = frozen(network, "n", "e", ids(log), 0.1, 2)
    assert found.arrays["items.number"].shape == (8,)


def test_training_on_the_whole_log_takes_as_many_epochs_as_were_chosen(choice: SequenceChoice) -> None:
    log = parities()
    content = read(log, np.eye(len(log.items), dtype=np.float32))
    asks = PLAN.asks(log, Weights(), validation=True)
    heard: list[tuple[int, int]] = []
    network = trained(asks, np.arange(len(log)), content, choice, lambda *told: heard.append(told))
    assert heard == [(n, choice.settings.epochs) for n in range(1, choice.settings.epochs + 1)]
    assert not torch.equal(network.scale, choice.network.scale)


def test_the_model_adds_its_cosine_times_its_weight_to_the_score() -> None:
    log, tuning = parities(), Tuning(scoring=Scoring(learned=3.0))
    content = read(log)
    model = made_up(log)
    learned = Learned.of(model, content)
    asks = everybody(log, tuning, now=10**6)
    learners = Learners(PLAN.asks(log, Weights()), tuning)
    plain = Mixture(tuning, content, learners.counts).scores(asks)
    mixed = Mixture(tuning, content, learners.counts, learned).scores(asks)
    for row, items in enumerate(histories(asks, content, tuning)[:20]):
        cosines = learned.embeddings @ model.state(learned.embeddings[items])
        assert mixed[row] - plain[row] == pytest.approx(0.3 * cosines, abs=1e-5)
        wanted = [event.item_id for event in asks[row].events]
        assert [log.items[item].item_id for item in items] == wanted[-tuning.scoring.recent :]


def test_who_is_a_stranger_gets_what_is_popular() -> None:
    log = parities()
    content, asks = read(log), PLAN.asks(log, Weights())
    learners = Learners(asks, Tuning())
    learned = Learned.of(made_up(log), content)
    nobody = replace(asked_in(list(asks.steps()))[0], events=())
    scores = Mixture(Tuning(), content, learners.counts, learned).scores([nobody])
    assert scores[0] == pytest.approx(np.log1p(learners.counts.visits))


def made_up(log: Log) -> SequenceModel:
    content = read(log)
    network = fresh(content.items, paths_of(PLAN.asks(log, Weights())), SMALL, CPU)
    return frozen(network, "made-up", "e", ids(log), 0.1, 2)


def test_the_card_tells_what_the_figures_say(choice: SequenceChoice) -> None:
    log = parities()
    model = frozen(choice.network, "spring", "hashed@1", ids(log), choice.weight, 2)
    figures = {"data": "parities", "log": {"events": 1, "users": 2, "items": 3}, "parameters": 4, **choice.figures()}
    files = beside(model.about, figures)
    card = files["README.md"].decode()
    for told in (
        "# spring",
        model.about.version,
        "hashed@1",
        f"{choice.verdict.mixed:.4f}",
        f"{choice.verdict.lead['low']:+.4f}",
    ):
        assert told in card
    picture = files["curves.svg"].decode()
    assert picture.startswith("<svg")
    assert "--ours:" in picture


def test_a_log_whose_window_asks_for_nothing_and_a_device_that_is_not_there_are_refused() -> None:
    with pytest.raises(InvalidSetting, match="too short"):
        chosen(bought([(u, 0, u) for u in range(6)]))
    log = parities()
    content, asks = read(log), PLAN.asks(log, Weights(), validation=True)
    with pytest.raises(InvalidSetting, match="not usable here"):
        choose(asks, content, Tuning(), PLAN.measures[0], lambda *_: None, SMALL, device="warp")
