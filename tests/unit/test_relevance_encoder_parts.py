"""The parts of fine-tuning an encoder: pairs, negatives, loss, words made different, steps that fit memory."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 its usual name
from penchant_adapters.encoders.layout import Layout, read_layout, written_layout
from penchant_core.errors import InvalidSetting
from penchant_core.model import Item
from penchant_core.tuning import Weights
from penchant_relevance.encoder.augment import augmented
from penchant_relevance.encoder.card import beside, licence_of
from penchant_relevance.encoder.examples import HELD_OUT, Batch, Examples
from penchant_relevance.encoder.negatives import HardNegatives
from penchant_relevance.encoder.objective import no_candidates, pulled, validation_loss
from penchant_relevance.encoder.settings import EncoderSettings
from penchant_relevance.encoder.steps import Backward, optimizer_of, rate_at
from penchant_relevance.encoder.tower import opened_tower
from penchant_relevance.log import Log, log_of
from penchant_relevance.measure import Measure
from penchant_relevance.plans import Plan

from tests.encoder_models import write_tiny_encoder
from tests.unit.encoder_logs import LEXICON, topics
from tests.unit.relevance_logs import bought, did, shop, unit_rows

PLAN = Plan("last item", (Measure("NDCG@10"),))
SETTINGS = EncoderSettings(batch=40, pairs=600)
CPU = torch.device("cpu")


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"hf:{write_tiny_encoder(tmp_path_factory.mktemp('tiny'), LEXICON)}"


def examples_of(log: Log, settings: EncoderSettings = SETTINGS, rank_decay: float = 0.5) -> Examples:
    return Examples(PLAN.asks(log, Weights(), validation=True), settings, rank_decay)


@pytest.fixture(scope="module")
def examples() -> Examples:
    return examples_of(topics())


def test_a_batch_has_each_text_once_and_no_more_than_were_asked_for(examples: Examples) -> None:
    batches = examples.epoch(0)
    assert len(batches) > 3
    for batch in batches:
        assert len(set(batch.items.tolist())) == len(batch.items) <= SETTINGS.batch
        np.testing.assert_allclose(batch.before.sum(axis=1), 1.0, rtol=1e-6)
        assert batch.before.shape == (len(batch), len(batch.items))


def test_an_epoch_has_as_many_pairs_as_it_may_and_other_ones_every_time(examples: Examples) -> None:
    first, again, second = examples.epoch(0), examples.epoch(0), examples.epoch(1)
    window = 2 * 2  # three things of a user before the validation asks: two steps, two pairs each
    assert sum(len(batch) for batch in first) in range(SETTINGS.pairs - window * 2, SETTINGS.pairs + window)
    assert [batch.items.tolist() for batch in first] == [batch.items.tolist() for batch in again]
    assert [batch.items.tolist() for batch in first] != [batch.items.tolist() for batch in second]


def test_a_pair_is_what_was_liked_before_weighed_by_how_new_it_is_or_one_thing_near_it() -> None:
    log = bought([(user, item, 10 * item + user) for user in range(40) for item in range(6)])
    batch = examples_of(log, replace(SETTINGS, history=2)).validation()
    user = batch.users == batch.users[0]
    rows, targets = batch.before[user].toarray(), batch.items[batch.target[user]]
    histories, near = rows[::2], rows[1::2]
    # Models see items 0 to 3; the score halves with every newer thing, and two of them are read.
    assert targets[::2].tolist() == [1, 2, 3]
    expected = np.array([[3, 0, 0, 0], [1, 2, 0, 0], [0, 1, 2, 0]]) / 3
    np.testing.assert_allclose(histories[:, np.argsort(batch.items)], expected, rtol=1e-6)
    assert (near.max(axis=1) == 1.0).all()
    assert (near.sum(axis=1) == 1.0).all()
    assert (near[np.arange(3), batch.target[user][1::2]] == 0.0).all()


def test_users_that_are_held_out_are_never_learnt_from(examples: Examples) -> None:
    held = {path.user for path in examples.held_out}
    assert 0 < len(held) < 4 * HELD_OUT * 240
    assert set(examples.validation().users.tolist()) == held
    for epoch in range(3):
        assert not held & {user for batch in examples.epoch(epoch) for user in batch.users.tolist()}


def test_nothing_from_the_asks_on_is_seen(examples: Examples) -> None:
    log = topics()
    asks = PLAN.asks(log, Weights(), validation=True)
    before = {(int(log.user[p]), int(log.item[p])) for p in asks.before()}
    assert set(zip(*(rows.tolist() for rows in examples.liked.nonzero()), strict=True)) == before


def test_items_without_words_are_no_pairs() -> None:
    things = [*shop(5), Item(item_id="i5")]
    events = [did(u, item, 10 * step + u) for u in range(30) for step, item in enumerate((0, 5, 1, 2, 3, 4))]
    batch = examples_of(log_of("l", things, events)).validation()
    assert 5 not in batch.items
    assert sorted({*batch.items.tolist()}) == [0, 1, 2]


def test_a_log_with_too_few_pairs_is_refused() -> None:
    with pytest.raises(InvalidSetting, match="events: users liked 10 pairs of items with words one after the other"):
        examples_of(bought([(user, user + step, step) for user in range(6) for step in range(4)]))


def test_what_the_user_likes_and_what_says_the_same_is_not_held_against_the_target() -> None:
    things = [Item(item_id=f"i{n}", title=title) for n, title in enumerate(("red", "blue", "red", "old", "new", "raw"))]
    events = [did(u, item, 10 * step + u) for u in range(40) for step, item in enumerate((1, 0, 3, 4))]
    events += [did(u, item, 10 * step + u) for u in range(40, 80) for step, item in enumerate((1, 2, 5, 4))]
    examples = examples_of(log_of("l", things, events))
    (everything,) = examples.epoch(0)
    assert set(everything.items[everything.target].tolist()) == {0, 2}
    hidden = no_candidates(everything, examples)
    seen = {0: {1, 0}, 1: {1, 2}}
    for row, (target, user) in enumerate(zip(everything.items[everything.target], everything.users, strict=True)):
        mine = seen[int(user >= 40)]
        same = {0: {2}, 2: {0}}.get(int(target), set())
        expected = [item != target and (item in mine or item in same) for item in everything.items.tolist()]
        assert hidden[row].tolist() == expected


def test_the_loss_is_the_cross_entropy_among_the_texts_that_count(examples: Examples) -> None:
    batch = examples.epoch(0)[0]
    vectors = unit_rows(len(batch.items))
    found = float(pulled(torch.from_numpy(vectors), batch, examples, 0.2, 0.0))
    hidden, losses = no_candidates(batch, examples), []
    for row in range(len(batch)):
        asking = batch.before[row].toarray()[0] @ vectors
        logits = vectors @ (asking / np.linalg.norm(asking)) / 0.2
        shown = np.exp(logits[~hidden[row]])
        losses.append(np.log(shown.sum()) - logits[batch.target[row]])
    assert found == pytest.approx(np.mean(losses), abs=1e-4)


def test_corrected_for_popularity_a_text_counts_for_as_many_as_it_stands_for() -> None:
    events = [(user, 0, 0) for user in range(60)] + [(user, 1 + user % 20, 10) for user in range(60)]
    events += [(user, 30 + step, 20 + step) for user in range(60) for step in range(3)]
    examples = examples_of(bought(events))
    batch = examples.validation()
    # Of texts that are all alike only how often each is drawn makes a difference.
    alike = torch.ones(len(batch.items), 4) / 2.0
    found = float(pulled(alike, batch, examples, 0.2, 1.0))
    drawn = 1.0 - np.exp(-len(batch.items) * examples.visits[batch.items] / examples.visits.sum())
    assert drawn.max() > 2.0 * drawn.min()
    shown = ~no_candidates(batch, examples)
    shown[np.arange(len(batch)), batch.target] = False
    assert found == pytest.approx(np.log(1.0 + (shown / drawn).sum(axis=1)).mean(), rel=1e-5)
    assert float(pulled(alike, batch, examples, 0.2, 0.0)) == pytest.approx(np.log(1.0 + shown.sum(axis=1)).mean())


def test_the_validation_loss_counts_every_item_that_the_user_does_not_like(examples: Examples) -> None:
    batch = examples.validation()
    vectors = unit_rows(len(examples.same))
    row = 0
    asking = batch.before[row].toarray()[0] @ vectors[batch.items]
    logits = vectors @ (asking / np.linalg.norm(asking)) / 0.3
    target = batch.items[batch.target[row]]
    shown = examples.liked[batch.users[row]].toarray()[0] == 0
    shown[target] = True
    expected = np.log(np.exp(logits[shown]).sum()) - logits[target]
    one = Batch(batch.items, batch.before[:1], batch.target[:1], batch.users[:1])
    assert validation_loss(vectors, one, examples, 0.3) == pytest.approx(expected, abs=1e-4)


def test_hard_negatives_are_near_and_no_user_likes_them_together(examples: Examples) -> None:
    vectors = unit_rows(len(examples.same))
    hard = HardNegatives(examples, vectors)
    together = (examples.liked.T @ examples.liked).toarray() > 0
    batch = examples.epoch(0)[0]
    found = hard.added(batch, 10, np.random.default_rng(1))
    extra = found.items[len(batch.items) :]
    assert 0 < len(extra) <= 10
    assert not set(extra.tolist()) & set(batch.items.tolist())
    assert found.items[: len(batch.items)].tolist() == batch.items.tolist()
    assert np.array_equal(found.before.toarray()[:, : len(batch.items)], batch.before.toarray())
    assert found.before.shape[1] == len(found.items)
    for one in extra.tolist():
        near = [item for item in batch.items.tolist() if not together[item, one]]
        # Near to one of them: among the thirty first of all that were not liked together with it.
        ranked = [(vectors[item] @ vectors[one] >= np.sort(vectors @ vectors[item])[-60]) for item in near]
        assert any(ranked)


def test_words_are_cropped_masked_and_shuffled_but_never_all_gone() -> None:
    text, random = "one two three four five six", np.random.default_rng(3)
    assert augmented(text, EncoderSettings(), "[M]", random) == text
    cropped = {augmented(text, EncoderSettings(crop=1.0), "[M]", random) for _ in range(50)}
    assert len(cropped) > 5
    assert all(each in text and len(each.split()) >= 3 for each in cropped)
    masked = [augmented(text, EncoderSettings(mask=0.9), "[M]", random) for _ in range(50)]
    assert all(len(each.split()) == 6 and each.split() != ["[M]"] * 6 for each in masked)
    assert any("[M]" in each for each in masked)
    without = [augmented(text, EncoderSettings(mask=0.9), None, random) for _ in range(50)]
    assert all(each and set(each.split()) <= set(text.split()) for each in without)
    shuffled = [augmented(text, EncoderSettings(reorder=1.0), "[M]", random) for _ in range(50)]
    assert all(sorted(each.split()) == sorted(text.split()) for each in shuffled)
    assert len(set(shuffled)) > 5
    assert augmented("苹果很甜", EncoderSettings(mask=0.5), None, np.random.default_rng(1)) not in {"", "苹果很甜"}


def test_the_rate_grows_then_falls_to_nothing() -> None:
    for schedule in ("cosine", "linear"):
        settings = EncoderSettings(rate=1.0, warmup=0.1, schedule=schedule)
        rates = [rate_at(done, settings) for done in np.linspace(0.0, 1.0, 101)]
        assert rates[0] == 0.0
        assert rates[10] == pytest.approx(1.0)
        assert (np.diff(rates[:11]) > 0.0).all()
        assert (np.diff(rates[10:]) < 0.0).all()
        assert rates[-1] == pytest.approx(0.0)
    assert rate_at(0.0, EncoderSettings(warmup=0.0, rate=1.0)) == 1.0


def test_biases_and_norms_do_not_decay(tiny: str) -> None:
    tower = opened_tower(tiny, EncoderSettings(decay=0.1), CPU)
    decaying, others = optimizer_of(tower, EncoderSettings(decay=0.1)).param_groups
    assert decaying["weight_decay"] == 0.1
    assert others["weight_decay"] == 0.0
    assert all(weight.ndim == 1 for weight in others["params"])
    assert len(decaying["params"]) + len(others["params"]) == len(tower.learning())


def test_in_parts_that_fit_memory_the_gradients_are_those_of_the_whole_batch(tiny: str) -> None:
    texts = [f"{one} {other}" for one, other in zip(LEXICON[:30], LEXICON[30:60], strict=True)]
    goal = torch.randn(30, 32, generator=torch.Generator().manual_seed(1))
    held = 30
    """Texts whose gradients this machine would hold."""

    def loss(vectors: torch.Tensor) -> torch.Tensor:
        if backward.whole and held < len(vectors):
            raise torch.OutOfMemoryError
        return F.cross_entropy(vectors @ vectors.T * 5.0, (torch.arange(30) + 1) % 30) + (vectors * goal).sum()

    towers = [opened_tower(tiny, EncoderSettings(dropout=0.3), CPU) for _ in range(2)]
    found = []
    for tower in towers:
        tower.model.train()
        # Parts of the same texts in both runs, so that dropout is drawn alike.
        backward = Backward(tower, tokens=40)
        found.append(backward(texts, loss, (1, 2)))
        held = 10
    assert not backward.whole
    assert backward.parts == 3
    assert found[1] == pytest.approx(found[0], rel=1e-6)
    for one, other in zip(towers[0].learning().values(), towers[1].learning().values(), strict=True):
        assert one.grad is not None
        assert other.grad is not None
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-4, atol=1e-5)


def test_parts_are_halved_until_they_fit_and_where_one_text_does_not_it_says_what_to_do(tiny: str) -> None:
    tower = opened_tower(tiny, EncoderSettings(), CPU)
    fits = 3

    def loss(vectors: torch.Tensor) -> torch.Tensor:
        if backward.whole or len(vectors) / backward.parts > fits:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate a lot")
        return vectors.sum()

    backward = Backward(tower)
    backward(LEXICON[:32], loss, (1,))
    assert backward.parts > 8
    fits = 0
    with pytest.raises(InvalidSetting, match="memory does not hold one text at once; train fewer weights with --lora"):
        backward(LEXICON[:32], loss, (1,))
    with pytest.raises(RuntimeError, match="something else"):
        backward(LEXICON[:2], lambda _: (_ for _ in ()).throw(RuntimeError("something else")), (1,))


@pytest.mark.parametrize("pooling", ["cls", "mean", "max", "lasttoken"])
def test_a_layout_is_read_as_it_was_written(pooling: str) -> None:
    layout = Layout("", pooling, 128, lowercase=True)
    files = written_layout(layout, 384)
    assert read_layout(files.get) == layout


FIGURES = {
    "data": "mine",
    "encoder": "hf:some@1",
    "log": {"events": 10, "users": 2, "items": 3},
    "settings": {"lora": 8, "epochs": 1},
    "parameters": 99,
    "pairs": 1_234,
    "pairs_per_second": 5.0,
    "peak_bytes": 2**30,
    "device": "cpu",
    "halves": [3, 4],
    "measure": "NDCG@10",
    "default": 0.1,
    "mixed": 0.2,
    "lead": {"mean": 0.1, "low": 0.05, "high": 0.15},
    "better": True,
    "clear": True,
    "curve": [{"loss": 1.0, "validation_loss": 2.0, "alone": 0.1, "mixed": 0.2}],
}


def test_the_card_tells_where_it_came_from_its_licence_and_what_it_is_worth(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("---\nlicense: apache-2.0\n---\n# Some")
    files = beside("words", f"hf:{tmp_path}", FIGURES)
    card = files["README.md"].decode()
    for said in (
        "hf:some@1",
        "license: apache-2.0",
        "adapters of rank 8",
        "| 1,234, those of all epochs",
        "+0.1000",
        "**better**",
    ):
        assert said in card
    assert files["curves.svg"].startswith(b"<svg")
    assert set(files) == {"README.md", "figures.json", "curves.svg"}
    assert licence_of("hf:somebody/elsewhere") == ""
