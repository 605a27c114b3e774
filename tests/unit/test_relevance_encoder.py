"""A fine-tuned encoder: what it learns, what it is worth, and that it goes on where it was stopped."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from penchant_adapters.encoders import open_encoder
from penchant_core.errors import InvalidSetting
from penchant_core.sequence import version_of
from penchant_core.tuning import Tuning
from penchant_relevance.encoder.checkpoint import FILE, Checkpoints, run_of
from penchant_relevance.encoder.choice import Apart, EncoderChoice, Judging
from penchant_relevance.encoder.examples import Examples
from penchant_relevance.encoder.negatives import HardNegatives
from penchant_relevance.encoder.processes import Processes
from penchant_relevance.encoder.settings import EncoderSettings
from penchant_relevance.encoder.tower import Tower, opened_tower
from penchant_relevance.encoder.training import Stopped, Training
from penchant_relevance.encoding import content_of
from penchant_relevance.evaluation import Learners
from penchant_relevance.halved import halved, sampled
from penchant_relevance.log import Log
from penchant_relevance.measure import Measure
from penchant_relevance.plans import Plan
from penchant_relevance.scoring import Content, Mixture

from tests.encoder_models import write_tiny_encoder
from tests.unit.encoder_logs import LEXICON, topics
from tests.unit.relevance_logs import random_life, read

PLAN = Plan("last item", (Measure("NDCG@10"),))
SMALL = EncoderSettings(
    epochs=3, patience=3, pairs=1_500, batch=48, hard=4, tokens=8, rate=5e-3, dropout=0.0, warmup=0.1, temperature=0.2
)
CPU = torch.device("cpu")


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"hf:{write_tiny_encoder(tmp_path_factory.mktemp('tiny'), LEXICON)}"


@pytest.fixture(scope="module")
def log() -> Log:
    return topics()


class Run:
    """Everything that one run of the command puts together."""

    def __init__(self, url: str, log: Log, settings: EncoderSettings, folder: Path | None = None) -> None:
        self.log, self.tuning = log, Tuning()
        self.asks = PLAN.asks(log, self.tuning.weights, validation=True)
        self.tower = opened_tower(url, settings, CPU)
        texts = [item.words for item in log.items]
        self.content = content_of(log, self.tower.encode([*texts, *log.texts]))
        self.examples = Examples(self.asks, settings, self.tuning.scoring.rank_decay)
        hard = HardNegatives(self.examples, self.content.items) if settings.hard else None
        self.training = Training(self.tower, self.examples, hard, texts, Processes("cpu"))
        self.checkpoints = None if folder is None else Checkpoints(folder, {"seed": settings.seed})

    def chosen(self, stop_after: int = 10**9) -> EncoderChoice:
        asked = iter(range(10**9))
        judging = Judging(self.asks, self.content, self.tuning, PLAN.measures[0])
        found = judging.chosen(self.training, self.checkpoints, stop=lambda: next(asked) >= stop_after)
        assert found is not None
        return found

    def version(self) -> str:
        return version_of({name: weight.numpy() for name, weight in self.tower.weights().items()})


@pytest.fixture(scope="module")
def whole(tiny: str, log: Log) -> tuple[Run, EncoderChoice]:
    torch.set_num_threads(1)
    run = Run(tiny, log, SMALL)
    return run, run.chosen()


def test_an_encoder_learns_which_words_belong_together_and_the_score_is_better_for_it(
    whole: tuple[Run, EncoderChoice],
) -> None:
    run, found = whole
    assert found.curve[-1]["loss"] < found.curve[0]["loss"] - 0.1
    assert found.verdict.clear
    assert found.verdict.mixed > found.verdict.default + 0.02
    assert found.pairs == sum(len(batch) for epoch in range(3) for batch in run.examples.epoch(epoch))
    assert found.figures()["pairs_per_second"] > 0.0


def test_the_best_epoch_is_kept_not_the_last(tiny: str, log: Log) -> None:
    # Something ruins the model at the end of its second epoch: the first one is what is left.
    ruined = Run(tiny, log, replace(SMALL, epochs=2))
    judging = Judging(ruined.asks, ruined.content, ruined.tuning, PLAN.measures[0])

    def ruin(what: str, done: int, total: int) -> None:
        if ruined.training.epoch == 1 and what != "measuring" and done == total:
            with torch.no_grad():
                for weight in ruined.tower.learning().values():
                    weight.copy_(torch.randn_like(weight))

    found = judging.chosen(ruined.training, None, ruin)
    assert found is not None
    assert found.epochs == 1
    assert len(found.curve) == 2
    assert found.curve[1]["mixed"] < found.curve[0]["mixed"]
    encoded = ruined.tower.encode([log.items[0].words])
    again = Run(tiny, log, replace(SMALL, epochs=2))
    again.training.run(lambda *_: None, lambda: False)
    np.testing.assert_allclose(encoded, again.tower.encode([log.items[0].words]), atol=1e-5)


@pytest.mark.parametrize("stop_after", [3, 10**9])
def test_training_that_goes_on_gives_the_weights_of_one_that_was_never_stopped(
    whole: tuple[Run, EncoderChoice], tiny: str, log: Log, tmp_path: Path, stop_after: int
) -> None:
    run, found = whole
    settings = SMALL
    stopped = Run(tiny, log, settings, tmp_path)
    steps = len(stopped.examples.epoch(0))
    with pytest.raises(Stopped):
        # In the middle of the first epoch, or while the second one is measured.
        stopped.chosen(stop_after if stop_after < steps else 2 * steps + 1)
    stopped.training.save(stopped.checkpoints)
    again = Run(tiny, log, settings, tmp_path)
    assert again.checkpoints is not None
    again.training.resume(again.checkpoints)
    resumed = again.chosen()
    assert again.version() == run.version()
    assert resumed.verdict == found.verdict
    assert [{**epoch} for epoch in resumed.curve] == list(found.curve)
    assert resumed.pairs == found.pairs


def test_dropout_and_augmentation_are_drawn_the_same_after_a_stop(tiny: str, log: Log, tmp_path: Path) -> None:
    settings = replace(SMALL, epochs=1, pairs=400, dropout=0.3, crop=0.5, mask=0.3, reorder=0.5)
    straight = Run(tiny, log, settings)
    straight.training.run(lambda *_: None, lambda: False)
    stopped = Run(tiny, log, settings, tmp_path)
    with pytest.raises(Stopped):
        stopped.training.run(lambda *_: None, lambda: stopped.training.step == 1)
    stopped.training.save(stopped.checkpoints)
    again = Run(tiny, log, settings, tmp_path)
    assert again.checkpoints is not None
    again.training.resume(again.checkpoints)
    again.training.run(lambda *_: None, lambda: False)
    assert again.version() == straight.version()


def test_a_checkpoint_is_written_after_every_epoch(tiny: str, log: Log, tmp_path: Path) -> None:
    run = Run(tiny, log, replace(SMALL, epochs=1, pairs=200), tmp_path / "kept")
    assert run.checkpoints is not None
    assert not run.checkpoints.there
    run.chosen()
    assert run.checkpoints.there
    run.checkpoints.remove()
    assert not (tmp_path / "kept").exists()


def test_a_checkpoint_that_is_damaged_or_of_another_run_is_refused_by_name(tiny: str, log: Log, tmp_path: Path) -> None:
    run = Run(tiny, log, SMALL, tmp_path)
    run.training.run(lambda *_: None, lambda: False)
    run.training.save(run.checkpoints)
    file = tmp_path / FILE
    good = file.read_bytes()
    fresh = Run(tiny, log, SMALL, tmp_path)
    assert fresh.checkpoints is not None
    with pytest.raises(InvalidSetting, match="go on with --resume, or remove it"):
        fresh.checkpoints.check(fresh.tower.learning(), resume=False)
    fresh.checkpoints.check(fresh.tower.learning(), resume=True)
    file.write_bytes(good[:-100])
    with pytest.raises(InvalidSetting, match=f"{file} is damaged"):
        fresh.training.resume(fresh.checkpoints)
    file.write_bytes(good[:-4] + b"\x00\x01\x02\x03")
    with pytest.raises(InvalidSetting, match=f"{file} is damaged: its numbers"):
        fresh.training.resume(fresh.checkpoints)
    file.write_bytes(good)
    with pytest.raises(InvalidSetting, match=f"{file} was made with seed {SMALL.seed}, not 5"):
        fresh.training.resume(Checkpoints(tmp_path, {"seed": 5}))
    file.unlink()
    with pytest.raises(InvalidSetting, match=f"there is no {file}"):
        fresh.training.resume(fresh.checkpoints)


def test_what_a_run_is_names_log_model_and_every_setting(log: Log) -> None:
    described = {"encoder": "hf:x@1", "tuning": {"a": 1}}
    one = run_of(log, described, SMALL, 1)
    assert one["epochs"] == 3
    assert run_of(topics(users=50), described, SMALL, 1)["log"] != one["log"]
    assert run_of(log, {**described, "tuning": {"a": 2}}, SMALL, 1)["tuning"] != one["tuning"]
    json.dumps(one)


def test_adapters_merged_into_the_weights_say_what_they_said_apart(tiny: str, log: Log, tmp_path: Path) -> None:
    run = Run(tiny, log, replace(SMALL, lora=4, rate=1e-2, pairs=300))
    texts = [item.words for item in log.items[:20]]
    before = run.tower.encode(texts)
    run.training.run(lambda *_: None, lambda: False)
    apart = run.tower.encode(texts)
    assert np.abs(apart - before).max() > 0.01
    assert all("lora_" in name for name in run.tower.learning())
    run.tower.write(tmp_path / "merged", {})
    np.testing.assert_allclose(encoded(tmp_path / "merged", texts), apart, atol=1e-5)
    # Written or not, it goes on learning as it was.
    assert all("lora_" in name for name in run.tower.learning())


def encoded(folder: Path, texts: list[str]) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    async def read() -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
        async with open_encoder(f"hf:{folder}", device="cpu", threads=1) as encoder:
            return await encoder.encode(texts)

    return asyncio.run(read())


def test_what_is_written_is_read_by_a_service_and_by_sentence_transformers(
    whole: tuple[Run, EncoderChoice], log: Log, tmp_path: Path
) -> None:
    run, _ = whole
    texts = [item.words for item in log.items[:10]]
    run.tower.write(tmp_path / "out", {"README.md": b"# card"})
    expected = run.tower.encode(texts)
    np.testing.assert_allclose(encoded(tmp_path / "out", texts), expected, atol=1e-5)
    assert (tmp_path / "out" / "README.md").read_text() == "# card"
    others = pytest.importorskip("sentence_transformers")
    found = others.SentenceTransformer(str(tmp_path / "out"), device="cpu").encode(texts)
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_the_built_in_model_cannot_be_trained_and_it_says_which_can() -> None:
    with pytest.raises(InvalidSetting, match=r"builtin: cannot be trained.*hf:sentence-transformers"):
        opened_tower("builtin:", SMALL, CPU)


@pytest.mark.parametrize("words", [False, True])
def test_the_score_taken_apart_is_the_score(words: bool) -> None:
    log, tuning = random_life(np.arange(800) * 10_000, 25, 30, words=words), Tuning()
    plan = Plan("replay", (Measure("NDCG@10"),))
    asks = plan.asks(log, tuning.weights, validation=True)
    content = read(log)
    wanted, _ = halved(asks)
    apart = Apart.of(asks, wanted, tuning, content)
    other = Content(content.items[::-1].copy(), content.texts[::-1].copy(), content.item_index, content.text_index)
    for each in (content, other):
        learners = Learners(asks, tuning)
        sample = sampled(asks, wanted, learners, Mixture(tuning, each, learners.counts))
        np.testing.assert_allclose(apart.sample.scores + apart.contents(each), sample.scores, atol=1e-5)


def test_a_tower_keeps_what_it_is_given(tiny: str) -> None:
    tower: Tower = opened_tower(tiny, SMALL, CPU)
    before = tower.weights()
    with torch.no_grad():
        for weight in tower.learning().values():
            weight.add_(1.0)
    tower.set(before)
    assert all(torch.equal(weight, before[name]) for name, weight in tower.learning().items())
    assert not any(name.startswith("pooler") for name in before)
