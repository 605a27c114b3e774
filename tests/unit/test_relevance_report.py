"""The page of an evaluation says what the figures say, to everybody, and runs nothing that a log holds."""

import re
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Mapping
from copy import deepcopy
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from penchant_relevance.report import page, write

HOSTILE = '<script>alert("1")</script> & <img src=x onerror=alert(2)> $x^2$ \u202egnal'
VOID = {"meta", "br", "path", "use", "rect"}
"""Elements that need no end."""


def estimate(mean: float, half: float = 0.01) -> dict[str, float]:
    return {"mean": mean, "low": mean - half, "high": mean + half}


def model(ndcg: float, behind: float | None = None, half: float = 0.01, **more: Any) -> dict[str, Any]:
    """Return a model's figures: twice as many hits as NDCG, and how far ours is ahead."""
    found: dict[str, Any] = {"NDCG@10": estimate(ndcg), "Recall@10": estimate(2 * ndcg)}
    found |= {"asks": 1_234, "users": 321, "coverage@10": 0.42, "novelty@10": 8.5, "diversity@10": 0.31}
    if behind is not None:
        found["behind"] = {"NDCG@10": estimate(behind, half), "Recall@10": estimate(2 * behind, half)}
    slices = {
        "0 events known": 7,
        "3–5 events known": 400,
        "51+ events known": 827,
        "new items": 90,
        "known items": 1_144,
    }
    found["slices"] = {
        name: {"asks": asks, "NDCG@10": estimate(ndcg), "Recall@10": estimate(2 * ndcg)}
        for name, asks in slices.items()
    }
    return found | more


MODELS = {
    "Penchant": model(0.3),
    "together only": model(0.29, 0.01),
    "ItemKNN": model(0.25, 0.05),
    "popularity": model(0.1, 0.2),
}
SETTINGS = {"data": "shop", "log": {"events": 98_765, "users": 4_321, "items": 999}, "plan": "replay", "seed": 5}


def document(live: Mapping[str, Any] = MODELS, name: str = "shop", **more: Any) -> dict[str, Any]:
    variants = {"live": deepcopy(dict(live))} | more
    return {
        "name": name,
        "kind": "quality",
        "when": "2026-03-01T09:05:00+00:00",
        "machine": {"cores": 2},
        "versions": {"numpy": "2.3"},
        "settings": {**SETTINGS, "tuning": {"scoring": {"evidence": 64.0, "half_life_days": None}}},
        "figures": variants,
    }


class Reader(HTMLParser):
    """Reads a page as a browser would, and refuses what a browser would have to mend."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def named(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]


def charts(text: str) -> list[ET.Element]:
    return [ET.fromstring(svg) for svg in re.findall(r"<svg.*?</svg>", text, re.DOTALL)]


def drawn(chart: ET.Element) -> list[str]:
    return ["".join(element.itertext()) for element in chart.iter("{http://www.w3.org/2000/svg}text")]


def late(**means: float) -> dict[str, Any]:
    return {name.replace("_", " ").strip(): {"Penchant": model(mean)} for name, mean in means.items()}


def test_the_page_begins_with_the_log_its_size_the_date_and_a_verdict() -> None:
    read = Reader(page(document())).text
    assert "How good are the recommendations on shop ?" in read
    assert (
        "98,765 events of 4,321 users on 999 items · asked 1,234 times, of 321 users · 1 March 2026, 09:05 UTC" in read
    )
    assert "Penchant is clearly better than the best simple baseline, ItemKNN: NDCG@10 is 0.300 against 0.250" in read
    assert "a difference of +0.0500 (95 % interval +0.0400 to +0.0600)" in read
    assert "60.0% (59.0% to 61.0%) on average stood among the first 10 of their list; with ItemKNN 50.0%" in read


@pytest.mark.parametrize(
    ("behind", "half", "said"),
    [
        (0.02, 0.019, "clearly better than"),
        (0.02, 0.021, "level with"),
        (-0.02, 0.021, "level with"),
        (-0.02, 0.019, "clearly worse than"),
        (0.0, 0.0, "level with"),
    ],
)
def test_the_interval_of_the_difference_decides_the_verdict(behind: float, half: float, said: str) -> None:
    text = page(document({"Penchant": model(0.3), "ItemKNN": model(0.3 - behind, behind, half)}))
    assert f"Penchant is {said} the best simple baseline, ItemKNN" in Reader(text).text.replace("  ", " ")
    kind = said.split()[-2] if "clearly" in said else "level"
    assert f'<section class="verdict {kind}"' in text


def test_the_best_simple_baseline_is_no_part_of_the_score_and_no_network() -> None:
    models = {**MODELS, "Penchant, through the service": model(0.31), "SASRec": model(0.4, -0.1, 0.05)}
    read = Reader(page(document(models))).text
    assert "the best simple baseline, ItemKNN:" in read
    assert (
        "Penchant is clearly worse than a network trained on this log, SASRec: NDCG@10 is 0.300 against 0.400" in read
    )
    assert "against the same score computed in memory: NDCG@10 +0.0100, Recall@10 +0.0200." in read


def test_what_a_log_is_called_is_text_and_never_markup() -> None:
    models = {**MODELS, HOSTILE: model(0.27, 0.03)}
    text = page(document(models, name=HOSTILE))
    read = Reader(text)
    names = {tag for tag, _ in read.tags}
    assert not names & {"script", "img", "iframe", "object", "link"}
    assert not [name for _, attributes in read.tags for name in attributes if name.startswith("on")]
    assert HOSTILE in read.text
    assert f"{HOSTILE[:29]}…" in drawn(charts(text)[0])
    assert any(HOSTILE in chart.attrib["aria-label"] for chart in charts(text))


def test_a_name_in_a_chart_is_no_formula() -> None:
    text = page(document({**MODELS, "$x^2$ 香": model(0.27, 0.03)}))
    assert "$x^2$ 香" in drawn(charts(text)[0])


def test_a_name_that_no_encoding_knows_is_written(tmp_path: Path) -> None:
    to = tmp_path / "new" / "page.html"
    write(to, document(name="caf\udce9"))
    assert r"caf\udce9" in to.read_text(encoding="utf-8")


def test_the_page_needs_nothing_else() -> None:
    text = page(document(**late(_30_s_late=0.2)))
    read = Reader(text)
    policy = next(one["content"] for one in read.named("meta") if one.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'")
    for tag, attributes in read.tags:
        assert "src" not in attributes, tag
        for name in ("href", "xlink:href"):
            assert attributes.get(name, "#").startswith("#"), tag
    assert set(re.findall(r"url\((.)", text)) <= {"#"}
    assert len(read.named("style")) == 1, "rules of a chart would be rules of the page"
    assert "@import" not in text
    assert "@font-face" not in text


def test_every_chart_tells_its_figures_in_words_and_every_table_names_its_cells() -> None:
    text = page(document(**late(_30_s_late=0.2, frozen=0.1)))
    read = Reader(text)
    found = charts(text)
    assert len(found) == 4
    for chart in found:
        assert chart.attrib["role"] == "img"
        assert "Penchant" in chart.attrib["aria-label"]
        assert {"width", "height"}.isdisjoint(chart.attrib), "the page says how wide it is"
    assert "Penchant 0.300 (0.290 to 0.310)" in found[0].attrib["aria-label"]
    assert all("scope" in attributes for attributes in read.named("th"))
    tables = len(read.named("table"))
    assert tables == len(read.named("caption")) > 5
    assert len([one for one in read.named("div") if one.get("role") == "region" and one["aria-label"]]) == tables


def test_no_two_elements_share_an_id_and_every_use_finds_its_own() -> None:
    text = page(document(**late(_30_s_late=0.2)))
    ids = [attributes["id"] for _, attributes in Reader(text).tags if "id" in attributes]
    assert ids
    assert [one for one, count in Counter(ids).items() if count > 1] == []
    used = re.findall(r'(?:url\(#|href="#)([^)"]+)', text)
    assert used
    assert set(used) <= set(ids)


def test_colours_are_the_page_s_and_there_are_all_of_them_in_light_and_dark() -> None:
    text = page(document())
    used = set(re.findall(r"var\(--(\w+)\)", text))
    light, dark = files("penchant_relevance.report").joinpath("page.css").read_text("utf-8").split("@media", 1)
    dark = dark[: dark.index("}\n}")]
    assert used - {"tone"} <= set(re.findall(r"--(\w+):", light)) & set(re.findall(r"--(\w+):", dark))
    colours = {
        colour
        for chart in re.findall(r"<svg.*?</svg>", text, re.DOTALL)
        for colour in re.findall("#[0-9a-f]{6}", chart)
    }
    assert not colours


def test_bars_are_as_long_as_their_values() -> None:
    chart = charts(page(document({"Penchant": model(0.3), "popularity": model(0.1, 0.2)})))[0]
    widths = []
    for path in chart.iter("{http://www.w3.org/2000/svg}path"):
        if "var(--ours)" in path.get("style", "") or "var(--pop)" in path.get("style", ""):
            across = [float(x) for x in re.findall(r"[ML] (\S+)", path.attrib["d"])]
            widths.append(max(across) - min(across))
    ours, popularity = widths
    assert ours == pytest.approx(3 * popularity, rel=1e-4)
    assert [word for word in drawn(chart) if word in ("0.300", "0.100")] == ["0.300", "0.100"]


def test_a_slice_of_few_asks_stands_in_the_table_only() -> None:
    text = page(document())
    known = charts(text)[1]
    assert {"3–5", "51+", "400", "827"} <= set(drawn(known))
    assert "0" not in drawn(known)
    read = Reader(text).text
    assert "0 events known 7 0.3000" in read
    assert "ItemKNN: 3–5 events known 0.250" in known.attrib["aria-label"]


def test_what_being_late_costs_is_told_where_it_was_measured() -> None:
    assert "What being late costs" not in page(document())
    text = page(document(**late(_30_s_late=0.2, _1_day_late=0.12, frozen=0.11)))
    chart = charts(text)[-1]
    assert [word for word in drawn(chart) if word in ("0.300", "0.200", "0.120", "0.110", "0.250")] == [
        "0.300",
        "0.200",
        "0.120",
        "0.110",
        "0.250",
    ], "and the best baseline of the live variant beside them"
    assert "30 s late 0.2000 0.1900 to 0.2100" in Reader(text).text


def test_every_measure_every_lead_and_every_look_stands_in_a_table() -> None:
    read = Reader(page(document({**MODELS, "EASE": model(0.2, 0.1, penalty=300.0)}))).text
    assert "ItemKNN 0.2500 0.2400 to 0.2600 0.5000 0.4900 to 0.5100" in read
    assert "ItemKNN +0.0500 better +0.0400 to +0.0600 +0.1000 better +0.0900 to +0.1100" in read
    assert "ItemKNN 42.0% 8.50 0.31" in read
    assert "tuning.scoring.half_life_days none" in read
    assert "chosen.EASE.penalty 300.0" in read
    assert "chosen.Penchant" not in read
    assert "numpy 2.3" in read


def test_a_page_for_few_asks_or_for_validation_says_so() -> None:
    few = {"Penchant": model(0.3, asks=40), "ItemKNN": model(0.2, 0.1, asks=40)}
    found = document(few)
    found["settings"]["validation"] = True
    read = Reader(page(found)).text
    assert "40 asks are few" in read
    assert "validation targets" in read
    assert "validation targets" not in Reader(page(document())).text


def test_a_score_alone_and_an_older_document_are_pages_too() -> None:
    bare = {"NDCG@10": estimate(0.3), "asks": 400, "users": 40, "coverage@10": 0.4}
    found = document({"Penchant": bare})
    found["settings"] = {"data": "shop"}
    read = Reader(page(found)).text
    assert "No baseline was measured beside it." in read
    assert "For whom it works" not in read
    assert "Of lists" not in read


def test_a_cold_start_is_drawn_with_the_figures_of_every_model() -> None:
    cold = {
        "least_known": 10,
        "figures": {
            known: {"Penchant": model(ndcg), "ItemKNN": model(0.5 * ndcg, 0.5 * ndcg), "popularity": model(0.05, ndcg)}
            for known, ndcg in (("0", 0.05), ("2", 0.2), ("10", 0.3))
        },
    }
    text = page(document() | {"cold_start": cold})
    read = Reader(text)
    assert "When little is known of a user" in read.text
    assert "1,234 asks of 321 users of whom 10 events or more are known" in read.text
    chart = next(chart for chart in charts(text) if "events known" in drawn(chart))
    assert {"0", "2", "10", "Penchant", "ItemKNN", "popularity"} <= set(drawn(chart))
    assert "Penchant: 0 known 0.0500, 2 known 0.200, 10 known 0.300" in (chart.get("aria-label") or "")
    assert "+0.1500 better" in read.text
    assert "When little is known" not in page(document())
