"""The page of results says what the figures say."""

from pathlib import Path
from typing import Any

import pytest
from penchant_bench import figures
from penchant_bench.quality.report import SERVED, agreement
from penchant_bench.report import page


def estimate(mean: float) -> dict[str, float]:
    return {"mean": mean, "low": mean - 0.01, "high": mean + 0.01}


def model(ndcg: float, recall: float) -> dict[str, Any]:
    return {
        "NDCG@10": estimate(ndcg),
        "Recall@10": estimate(recall),
        "coverage@10": 0.42,
        "asks": 1234,
        "users": 321,
        "seconds": {"asking": 1.0},
    }


SETTINGS = {
    "data": "amazon_beauty",
    "encoder": "use-multilingual-v3@1",
    "seed": 5,
    "resamples": 1000,
    "tuning": {"scoring": {"evidence": 64.0}},
}


def test_a_quality_measurement_becomes_a_table_with_intervals(tmp_path: Path) -> None:
    found = {"live": {SERVED: model(0.0707, 0.11), "Penchant": model(0.07, 0.11), "popularity": model(0.01, 0.02)}}
    figures.write(tmp_path / "new" / "a.json", figures.document("amazon_beauty", "quality", SETTINGS, found))
    text = page(tmp_path / "new")
    assert "## Quality" in text
    assert "| model | NDCG@10 | Recall@10 | coverage@10 | our lead, NDCG@10 |" in text
    assert "| **Penchant** | 0.0700 (0.0600–0.0800) | 0.1100 (0.1000–0.1200) | 42% |  |" in text
    assert "| popularity | 0.0100 (0.0000–0.0200) |" in text
    assert "1,234 asks of 321 users" in text
    assert "NDCG@10 +1.0%, Recall@10 +0.0%" in text
    assert "use-multilingual-v3@1" in text


def test_what_is_late_what_is_sliced_and_who_leads_have_tables_of_their_own(tmp_path: Path) -> None:
    def sliced(ndcg: float) -> dict[str, Any]:
        slices = {
            name: {**model(ndcg + more, 0.1), "asks": 7} for name, more in (("1 events known", 0.5), ("new items", 0.0))
        }
        return {**model(ndcg, 0.1), "slices": slices}

    worse = {**sliced(0.02), "behind": {"NDCG@10": estimate(0.05), "Recall@10": estimate(0.0)}}
    found = {"live": {"Penchant": sliced(0.07), "popularity": worse}, "1 day late": {"Penchant": model(0.06, 0.1)}}
    figures.write(tmp_path / "a.json", figures.document("amazon_beauty", "quality", SETTINGS, found))
    text = page(tmp_path)
    assert "| +0.0500 (+0.0400 to +0.0600) |" in text
    assert "| live | 0.0700 (0.0600–0.0800) | 0.1000 (0.0900–0.1100) |" in text
    assert "| 1 day late | 0.0600 (0.0500–0.0700) | 0.1000 (0.0900–0.1100) |" in text
    assert "| NDCG@10 | asks | Penchant | popularity |" in text
    # Figures of a slice are those of the slice.
    assert "| 1 events known | 7 | 0.5700 (0.5600–0.5800) | 0.5200 (0.5100–0.5300) |" in text


def test_what_has_no_catalogue_and_nobody_who_asks_twice_shows_neither(tmp_path: Path) -> None:
    def texts(purity: float) -> dict[str, Any]:
        sliced = {"水果": {"asks": 3, "purity@10": estimate(purity)}}
        return {"purity@10": estimate(purity), "asks": 12, "slices": sliced}

    found = {
        "texts": {"Penchant": texts(0.7), "drawn at random": {**texts(0.1), "behind": {"purity@10": estimate(0.6)}}}
    }
    settings = {name: value for name, value in SETTINGS.items() if name != "tuning"} | {"data": "shopping_reviews_zh"}
    figures.write(tmp_path / "a.json", figures.document("shopping_reviews_zh", "quality", settings, found))
    text = page(tmp_path)
    assert "**texts**: 12 asks." in text
    assert "| model | purity@10 | our lead, purity@10 |" in text
    assert "| drawn at random | 0.1000 (0.0900–0.1100) | +0.6000 (+0.5900 to +0.6100) |" in text
    assert "| 水果 | 3 | 0.7000 (0.6900–0.7100) | 0.1000 (0.0900–0.1100) |" in text


def test_a_search_becomes_a_table_with_what_each_group_is_worth(tmp_path: Path) -> None:
    found = {
        "halves": [30, 40],
        "trials": 16,
        "measure": "NDCG@10",
        "default": 0.1,
        "tuned": 0.12,
        "lead": {"mean": 0.02, "low": -0.01, "high": 0.05},
        "ablation": {"recency": -0.001, "popularity": 0.015},
    }
    settings = {"data": "shop", "budget": {"seed": 9}}
    figures.write(tmp_path / "a.json", figures.document("shop", "tune", settings, found))
    text = page(tmp_path)
    assert "## Tuning" in text
    assert "16 trials on 30 asks of the validation window, 40 of other users judged." in text
    assert "| lead | +0.0200 (-0.0100 to +0.0500) |" in text
    assert text.index("of it popularity | +0.0150") < text.index("of it recency | -0.0010")


def test_learned_weights_become_a_table_that_says_whether_they_gain_anything(tmp_path: Path) -> None:
    found = {
        "halves": [30, 40],
        "settings": {"penalty": 300.0, "rank_decay": 1.0, "weight": 0.3},
        "measure": "NDCG@10",
        "default": 0.1,
        "mixed": 0.12,
        "lead": {"mean": 0.02, "low": -0.01, "high": 0.05},
    }
    told = {(True, True): "a clear gain", (True, False): "perhaps chance", (False, False): "off: no gain"}
    for (better, clear), words in told.items():
        written = figures.document("shop", "together", {"data": "shop"}, found | {"better": better, "clear": clear})
        figures.write(tmp_path / "a.json", written)
        text = page(tmp_path)
        assert f"40 of other users judged; **{words}**." in text
        assert "| with weights, λ = 300, r = 1, δ = 0.3 | 0.1200 |" in text
        assert "| lead | +0.0200 (-0.0100 to +0.0500) |" in text


def test_a_sequence_model_becomes_the_same_table_with_its_weight_epochs_and_time(tmp_path: Path) -> None:
    found = {
        "halves": [30, 40],
        "settings": {"epochs": 7},
        "weight": 0.02,
        "curve": [{}] * 9,
        "measure": "NDCG@10",
        "default": 0.1,
        "mixed": 0.12,
        "lead": {"mean": 0.02, "low": 0.01, "high": 0.05},
        "better": True,
        "clear": True,
        "seconds": 61.4,
    }
    figures.write(tmp_path / "a.json", figures.document("shop", "sequence", {"data": "shop"}, found))
    text = page(tmp_path)
    assert "40 of other users judged; **a clear gain**." in text
    assert "| with the model, weight 0.02, 7 of 9 epochs | 0.1200 |" in text
    assert ", 61 s in all, " in text


def test_a_fine_tuned_encoder_becomes_the_same_table_with_its_speed_and_memory(tmp_path: Path) -> None:
    found = {
        "halves": [30, 40],
        "settings": {"epochs": 1},
        "curve": [{}] * 2,
        "measure": "NDCG@10",
        "default": 0.1,
        "mixed": 0.12,
        "lead": {"mean": 0.02, "low": 0.01, "high": 0.05},
        "better": True,
        "clear": True,
        "seconds": 61.4,
        "pairs_per_second": 321.4,
        "peak_bytes": 3 * 2**29,
        "device": "cpu",
    }
    figures.write(
        tmp_path / "a.json", figures.document("shop", "encoder", {"data": "shop", "encoder": "hf:x@1"}, found)
    )
    text = page(tmp_path)
    assert "## Fine-tuned encoders" in text
    assert "| with hf:x@1 fine-tuned, 1 of 2 epochs | 0.1200 |" in text
    assert ", 61 s in all, 321 pairs/s on cpu, 1.5 GiB at most, " in text


def test_what_a_measurement_was_made_with_stands_in_its_title(tmp_path: Path) -> None:
    found = {"live": {"Penchant": model(0.07, 0.11)}}
    fixed = {**SETTINGS, "tuning": {"scoring": {"evidence": 0.0}}}
    figures.write(tmp_path / "a.json", figures.document("amazon_beauty", "quality", SETTINGS, found))
    figures.write(tmp_path / "b.json", figures.document("amazon_beauty", "quality", fixed, found))
    other = {**SETTINGS, "encoder": "hf:tuned@1"}
    figures.write(tmp_path / "c.json", figures.document("amazon_beauty", "quality", other, found))
    titles = [line for line in page(tmp_path).splitlines() if line.startswith("### ")]
    assert titles == [
        "### amazon_beauty",
        "### amazon_beauty, with the fixed mixture as settings",
        "### amazon_beauty, words by hf:tuned@1",
    ]


def test_without_the_service_there_is_nothing_to_agree_with() -> None:
    assert not agreement({"Penchant": model(0.07, 0.11)})


def test_a_kind_that_nobody_renders_is_refused(tmp_path: Path) -> None:
    figures.write(tmp_path / "a.json", figures.document("x", "astrology", {}, {}))
    with pytest.raises(KeyError, match="astrology"):
        page(tmp_path)


def test_a_measurement_says_where_and_with_what_it_was_taken() -> None:
    written = figures.document("x", "quality", {"a": 1}, {"b": 2})
    assert list(written) == ["name", "kind", "when", "machine", "versions", "settings", "figures"]
    assert written["machine"]["cores"] >= 1
    assert {"python", "penchant", "numpy"} <= set(written["versions"])


def test_a_cold_start_has_a_table_and_alone_no_other(tmp_path: Path) -> None:
    cold = {"least_known": 10, "figures": {"0": {"Penchant": model(0.01, 0.1)}, "1": {"Penchant": model(0.03, 0.1)}}}
    for name, models in (
        ("a", {"Penchant": model(0.07, 0.1)}),
        ("b", {"Penchant": model(0.07, 0.1), "EASE": model(0, 0)}),
    ):
        found = figures.document("amazon_beauty", "quality", SETTINGS, {"live": models}) | {"cold_start": cold}
        figures.write(tmp_path / f"{name}.json", found)
    text = page(tmp_path)
    alone, _, whole = text.partition("### amazon_beauty\n")
    assert "### amazon_beauty, cold start" in alone
    for part in (alone, whole):
        assert "1,234 asks of 321 users of whom 10 events and more are known" in part
        assert "| NDCG@10 | Penchant |" in part
        assert "| 0 known | 0.0100 (0.0000–0.0200) |" in part
        assert "| 1 known | 0.0300 (0.0200–0.0400) |" in part
    assert "our lead" not in alone
    assert "our lead" in whole
