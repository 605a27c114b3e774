"""Chinese words go through the contract and the encoder that ships, and categories come apart."""

import csv
import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from penchant_bench.quality import reviews_zh
from penchant_bench.quality.study import Asking
from penchant_core.errors import InvalidSetting
from penchant_relevance.evaluation import OURS
from penchant_relevance.separation import gram_rows, nearest

KINDS = {
    "水果": (
        ("苹果", "香蕉", "橙子", "葡萄", "西瓜"),
        ("很甜，汁水多", "不新鲜，有几个烂了", "味道好，孩子爱吃", "个头大，很脆"),
    ),
    "酒店": (
        ("房间", "前台", "早餐", "浴室", "大堂"),
        ("服务周到，位置方便", "隔音不好，睡不着", "干净舒适，下次还住", "离地铁站近，退房快"),
    ),
    "书籍": (
        ("作者", "故事", "章节", "译文", "小说"),
        ("文笔优美，值得一读", "情节拖沓，读不下去", "引人深思，读了两遍", "思想深刻，印刷清楚"),
    ),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    table = io.StringIO()
    rows = [
        (kind, 1, f"\ufeff{thing}{said}&nbsp;<br>。")
        for kind, (things, words) in KINDS.items()
        for thing in things
        for said in words
    ]
    csv.writer(table).writerows([("cat", "label", "review"), *rows, rows[0], ("水果", 0, " \u200b ")])
    with zipfile.ZipFile(tmp_path / "online_shopping_10_cats.zip", "w") as archive:
        archive.writestr("online_shopping_10_cats.csv", table.getvalue().encode("utf-8-sig"))
    return tmp_path


def test_reviews_are_kept_once_in_the_form_of_the_service(folder: Path) -> None:
    reviews, left_out = reviews_zh.read(folder)
    assert len(reviews) == 60
    assert left_out == 2, "one again, one without a readable character"
    assert reviews[0] == reviews_zh.Review("水果", "苹果很甜,汁水多 。")


def test_what_users_said_is_not_asked_for_and_all_categories_are_left(folder: Path) -> None:
    reviews, _ = reviews_zh.read(folder)
    drawn = reviews_zh.split(reviews, 1)
    said = {review.text for user in drawn.users for review in user}
    assert all(len({review.category for review in user}) == 1 for user in drawn.users)
    assert not said & {review.text for review in drawn.pool}
    assert {review.category for review in drawn.pool} == set(KINDS)
    assert drawn == reviews_zh.split(reviews, 1) != reviews_zh.split(reviews, 2)


def test_rare_categories_are_left_though_half_of_them_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reviews_zh, "POOL", 60)
    reviews = [reviews_zh.Review("手机" if n % 10 else "热水器", f"不错{n}") for n in range(1_000)]
    rare = sum(review.category == "热水器" for review in reviews_zh.split(reviews, 1).pool)
    assert 1 <= rare <= 15


def test_categories_of_chinese_reviews_come_apart(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    told: list[tuple[int, int]] = []
    asking = Asking("builtin:", validation=False, progress=lambda done, total: told.append((done, total)))
    found = reviews_zh.measure(folder, asking)
    assert told[-1] == (60, 60)
    assert found["settings"]["log"] == {"reviews": 60, "left_out": 2, "unsaid": 30, "users": 6}
    texts, one, two = found["figures"].values()
    assert texts[OURS]["purity@10"]["mean"] > texts["drawn at random"]["purity@10"]["mean"] + 0.15
    assert one[OURS]["purity@10"]["mean"] > one["drawn at random"]["purity@10"]["mean"] + 0.3
    assert set(one[OURS]["slices"]) == set(KINDS)
    assert two["categories known"]["apart@10"]["mean"] > 0.5
    assert two["whole interest"]["apart@10"]["mean"] == 0.0


def test_a_missing_or_small_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(InvalidSetting, match=r"SOURCE\.md"):
        reviews_zh.read(tmp_path)
    with pytest.raises(InvalidSetting, match="too few"):
        reviews_zh.split([reviews_zh.Review("水果", f"苹果{n}") for n in range(9)], 1)


def test_nothing_is_near_to_itself_and_the_nearest_is_first() -> None:
    rows = np.array([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0], [0.6, 0.8]], np.float32)
    assert nearest(rows, rows, 2, themselves=True).tolist() == [[1, 3], [3, 0], [3, 1], [1, 2]]
    assert nearest(rows[:1], rows, 1).tolist() == [[0]]


def test_texts_of_the_same_characters_are_alike() -> None:
    rows = gram_rows(["苹果很甜", "苹果不甜", "房间干净"])
    likeness = (rows @ rows.T).toarray()
    assert likeness[0, 0] == pytest.approx(1.0)
    assert likeness[0, 1] > likeness[0, 2] == 0.0
