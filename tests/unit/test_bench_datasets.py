"""The public data sets become logs as their files say; what is missing is said; every one has a way to be asked."""

import gzip
from pathlib import Path

import pytest
from penchant_bench.quality.datasets import FIRST_DAY, NAMES, PLANS, data_folder, load
from penchant_core.errors import InvalidSetting
from penchant_core.tuning import DAY, Weights
from penchant_relevance.log import Log


def test_a_missing_folder_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(InvalidSetting, match="PENCHANT_TEST_DATA"):
        data_folder(tmp_path / "nowhere")
    with pytest.raises(InvalidSetting, match="amazon_beauty/"):
        load("amazon_beauty", tmp_path)
    with pytest.raises(InvalidSetting, match="take one of amazon_beauty"):
        load("netflix", tmp_path)


def test_every_set_has_a_plan() -> None:
    assert tuple(PLANS) == NAMES


def loaded(folder: Path, name: str, files: dict[str, str]) -> Log:
    (folder / name).mkdir()
    for file, text in files.items():
        data = text.encode()
        (folder / name / file).write_bytes(gzip.compress(data) if file.endswith(".gz") else data)
    return load(name, folder)


def did(log: Log) -> list[tuple[str, str, int]]:
    return [(event.user_id, event.item_id, event.occurred_at) for event in log.events]


def test_the_steps_of_amazon_beauty_are_days_of_every_user(tmp_path: Path) -> None:
    files = {"items.tsv": "asin\ttitle\nB1\tRed  soap\nB2\t\n", "user_sequence.txt.gz": "7 B2 B1\n8 B1\n"}
    log = loaded(tmp_path, "amazon_beauty", files)
    assert did(log) == [("7", "B2", FIRST_DAY), ("8", "B1", FIRST_DAY), ("7", "B1", FIRST_DAY + DAY)]
    assert [item.title for item in log.items] == ["Red soap", "B2"]


def test_the_stars_of_movielens_are_weighed_and_its_genres_are_categories(tmp_path: Path) -> None:
    files = {
        "movies.csv": "movieId,title,genres\n1,Heat,Crime|Drama\n2,Up,(no genres listed)\n3,Unrated,Drama\n",
        "ratings.csv.gz": "userId,movieId,rating,timestamp\n5,1,5.0,200\n6,2,2.0,100\n",
    }
    log = loaded(tmp_path, "movielens_small", files)
    assert did(log) == [("6", "2", 100_000), ("5", "1", 200_000)]
    assert log.weights(Weights()).tolist() == [-0.5, 1.0]
    assert {item.item_id: item.categories for item in log.items} == {"1": ("Crime", "Drama"), "2": ()}


def test_instruments_are_described_by_earlier_reviews_alone(tmp_path: Path) -> None:
    # Ten days; the 80 % quantile lies before the last two, whose words must not be part of any description.
    said = ["loud drum", "loud drum", "loud brass", "warm string", "warm string", "warm brass", "loud", "warm"]
    lines = ["reviewerID,asin,helpful,reviewText,overall,summary,unixReviewTime,reviewTime"]
    lines += [
        f'u{day},B{day % 4},"[0, 0]",{words} {words},4.0,good,{86_400 * (day + 10_000)},x'
        for day, words in enumerate([*said, "secret loud", "secret warm"])
    ]
    lines += [f'u9,B7,"[0, 0]",secret,1.0,good,{86_400 * 10_009},x']
    log = loaded(tmp_path, "instrument_reviews", {"musical_instruments_5core_reviews.csv.gz": "\n".join(lines)})
    assert log.events[0].text == "good. loud drum loud drum"
    assert log.weights(Weights()).tolist() == [0.5] * 10 + [-1.0]
    words = {item.item_id: item.description for item in log.items}
    assert words["B0"] == "loud warm good"
    assert not words["B7"], "nobody had reviewed it yet"
    assert "secret" not in " ".join(words.values())
    assert log.baskets is not None
    assert log.baskets[-1] == log.baskets[-2], "a day of a user is an order"


def test_an_invoice_of_online_retail_is_a_basket_of_what_was_sold_to_somebody_known(tmp_path: Path) -> None:
    lines = [
        "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,CustomerID",
        "11,84000,LAMP,1,2011-01-02 10:00:00,4",
        "10,84001,CUP,2,2011-01-02 10:00:00,3",
        "11,84001,CUP,1,2011-01-02 10:00:00,4",
        "11,84001,CUP,5,2011-01-02 10:00:00,4",  # the same line again
        "C12,84001,CUP,-1,2011-01-02 11:00:00,4",  # taken back
        "13,84001,CUP,1,2011-01-02 11:00:00,",  # to nobody known
        "14,POST,POSTAGE,1,2011-01-02 11:00:00,3",
        "15,84002B,SMALL CUP,1,2011-01-01 10:00:00,3",
    ]
    log = loaded(tmp_path, "online_retail", {"online_retail_to_2011-08.csv.gz": "\n".join(lines)})
    assert log.baskets is not None
    bought = [(user, code) for user, code, _ in did(log)]
    assert list(zip(bought, log.baskets.tolist(), strict=True)) == [
        (("3", "84002B"), 15), (("3", "84001"), 10), (("4", "84000"), 11), (("4", "84001"), 11)
    ]  # fmt: skip
