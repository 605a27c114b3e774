"""Cells become values within the contract's limits, or a reason why not."""

import math
from collections import Counter
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from penchant.v1.event_pb2 import Event
from penchant_cli.importing import Options, check
from penchant_cli.importing.errors import BadRecord
from penchant_cli.importing.report import Report
from penchant_cli.importing.values import boolean, identifier, moment, number, words

NOW = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("cell", "amount"),
    [
        ("$1,234.50", 1234.5), ("1.234,50 €", 1234.5), ("£5", 5), ("EUR 12.00", 12), ("1,234", 1234), ("3,5", 3.5),
        ("1 234,50", 1234.5), ("1'234.50", 1234.5), ("-$5", -5), ("(5.00)", -5), ("¥1,000,000", 1e6), (" 7 ", 7),
        ("1e3", 1000), (4, 4), ("", None), ("n/a", None), (None, None), ("  ", None), ("99.-", 99),
        ("-1,234.50", -1234.5),
    ],
)  # fmt: skip
def test_prices_are_read_as_people_write_them(cell: Any, amount: float | None) -> None:
    assert number(cell, "price") == amount


@pytest.mark.parametrize("cell", ["nan", "inf", "-Infinity", math.nan, math.inf])
def test_numbers_must_be_finite(cell: Any) -> None:
    with pytest.raises(BadRecord, match="price: is not a finite number"):
        number(cell, "price")


@pytest.mark.parametrize("cell", ["free", "--", "1.2.3", True and [1]])
def test_words_are_no_numbers(cell: Any) -> None:
    with pytest.raises(BadRecord, match="is not a number"):
        number(cell, "value")


@pytest.mark.parametrize(
    "cell",
    [
        "1298910360", "1298910360.0", 1298910360, "1298910360000", 1298910360000, 1298910360000000, 1298910360000000000,
        "2011-02-28 16:26:00", "2011-02-28T16:26:00Z", "2011-02-28T17:26:00+01:00", "02/28/2011 16:26",
        "2/28/2011 16:26",
        "28.02.2011 16:26", "2011/02/28 16:26", datetime(2011, 2, 28, 16, 26, tzinfo=UTC),
    ],
)  # fmt: skip
def test_times_are_read_from_every_customary_form(cell: Any) -> None:
    expected = int(datetime(2011, 2, 28, 16, 26, tzinfo=UTC).timestamp() * 1000)
    assert moment(cell, "occurred_at", "", "UTC") == expected


@pytest.mark.parametrize("cell", ["20110228", "2011-02-28", "02 28, 2011", "February 28, 2011", date(2011, 2, 28)])
def test_days_are_read_as_their_midnight(cell: Any) -> None:
    assert moment(cell, "occurred_at", "", "UTC") == int(datetime(2011, 2, 28, tzinfo=UTC).timestamp() * 1000)


def test_a_format_and_a_zone_can_be_named() -> None:
    noon = moment("03/02/2011 12:00", "occurred_at", "%d/%m/%Y %H:%M", "Asia/Shanghai")
    assert noon == int(datetime(2011, 2, 3, 4, 0, tzinfo=UTC).timestamp() * 1000)
    with pytest.raises(BadRecord, match="--time-format names another"):
        moment("yesterday", "occurred_at", "", "UTC")


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ("  a\t b ", "a b"),
        (17850.0, "17850"),
        (5, "5"),
        ("ABc", "ABc"),
        ("NaN", ""),
        (math.nan, ""),
        ("null", ""),
        (None, ""),
    ],
)
def test_ids_keep_their_case_and_lose_their_spaces(cell: Any, text: str) -> None:
    assert identifier(cell, "user_id") == text


@given(st.text())
def test_an_id_that_was_read_once_reads_the_same_again(cell: str) -> None:
    try:
        once = identifier(cell, "item_id")
    except BadRecord:
        return
    assert identifier(once, "item_id") == once


def test_ids_that_are_too_long_or_unprintable_are_bad() -> None:
    assert identifier("é" * 64, "item_id") == "é" * 64
    with pytest.raises(BadRecord, match="item_id: longer than 128 bytes"):
        identifier("é" * 65, "item_id")
    with pytest.raises(BadRecord, match="cannot be printed"):
        identifier("a\0b", "item_id")


def test_garbled_text_is_mended_and_good_chinese_left_alone() -> None:
    notes: Counter[str] = Counter()
    assert words("CafÃ© crÃ¨me", "title", 1024, notes) == "Café crème"
    assert words("苹果手机壳", "title", 1024, notes) == "苹果手机壳"
    assert notes == {"garbled texts, mended": 1}


def test_markup_and_entities_leave_only_words() -> None:
    assert words("<b>Tom &amp; Jerry</b><br>\u200b x", "title", 1024, Counter()) == "Tom & Jerry x"


def test_text_is_cut_between_characters_only_when_asked() -> None:
    notes: Counter[str] = Counter()
    assert words("苹果苹果", "title", 10, notes, cut=True) == "苹果苹"
    assert notes == {"title longer than 10 bytes, cut": 1}
    with pytest.raises(BadRecord, match="title: longer than 10 bytes"):
        words("苹果苹果", "title", 10, notes)


@pytest.mark.parametrize(("cell", "said"), [("Yes", True), ("out of stock", False), (False, False), ("", None)])
def test_yes_and_no_are_read_in_their_customary_words(cell: Any, said: bool | None) -> None:
    assert boolean(cell, "available") is said


def events_of(tmp_path: Path, table: str, **options: Any) -> tuple[list[Event], Report]:
    path = tmp_path / "events.csv"
    path.write_text(table, encoding="utf-8")
    with check(path, "events", Options(**options), NOW) as checked:
        return [event for _, event in checked.events()], checked.report


def test_ratings_outside_their_scale_are_bad_and_a_scale_is_mapped_linearly(tmp_path: Path) -> None:
    table = "user_id,item_id,rating,time\nu,a,1,2020-01-01\nu,b,5.5,2020-01-01\nu,c,10,2020-01-01\nu,d,-1,2020-01-01\n"
    events, report = events_of(tmp_path, table, type="rate")
    assert [e.item_id for e in events] == ["a"]
    assert [t.lines for t in report.bad.values()] == [[3, 4, 5]]
    assert "--rating-scale" in next(iter(report.bad))
    events, report = events_of(tmp_path, table, type="rate", rating_scale=(1, 10))
    assert [round(e.value, 6) for e in events] == [0, 2.5, 5]


def test_values_are_held_against_the_limits_of_their_type(tmp_path: Path) -> None:
    rows = ["u,a,buy,2", "u,b,buy,-2", "u,c,dwell,86401", "u,d,Add To Cart,-7"]
    table = "user,item,type,value,time\n" + "".join(f"{row},2020-01-01\n" for row in rows)
    events, report = events_of(tmp_path, table)
    assert [(e.type, e.value) for e in events] == [("purchase", 2), ("add_to_cart", -7)]
    assert set(report.bad) == {
        "value: is outside 0–1e+06 of purchase",
        "value: is outside 0–86400 of dwell",
    }


def test_times_outside_the_contract_are_bad(tmp_path: Path) -> None:
    table = "user,item,time\nu,a,1989-12-31\nu,b,1990-01-01\nu,c,2026-01-01T00:05:00\nu,d,2026-01-01T00:05:01\nu,e,\n"
    events, report = events_of(tmp_path, table, type="view")
    assert [e.item_id for e in events] == ["b", "c"]
    assert {reason: tally.lines for reason, tally in report.bad.items()} == {
        "occurred_at: is before 1990-01-01": [2],
        "occurred_at: is more than five minutes in the future": [5],
        "occurred_at: is empty": [6],
    }


def test_empty_ids_and_events_about_nothing_are_bad(tmp_path: Path) -> None:
    table = "user,item,text,time\n,a,,2020-01-01\nu,,,2020-01-01\nu,,trail shoes,2020-01-01\n"
    events, report = events_of(tmp_path, table, type="search")
    assert [e.text for e in events] == ["trail shoes"]
    assert set(report.bad) == {"user_id: is empty", "item_id: is empty, and so is text"}


def test_items_are_held_against_the_contract(tmp_path: Path) -> None:
    rows = [
        {"id": "a", "name": "Lamp", "genres": "x|y;x| ", "price": "$1.50", "brand": "Acme", "in_stock": "no"},
        {"id": "b", "name": "", "genres": "", "price": "", "brand": "", "in_stock": ""},
        {"id": "c", "name": "Neg", "genres": "", "price": "-1", "brand": "", "in_stock": ""},
        {"id": "d", "name": "x" * 1025, "genres": "", "price": "", "brand": "", "in_stock": ""},
        {"id": "e", "name": "Many", "genres": "|".join(map(str, range(33))), "price": "", "brand": "", "in_stock": ""},
    ]
    lines = [";".join(rows[0]), *(";".join(f'"{v}"' for v in row.values()) for row in rows)]
    (tmp_path / "items.csv").write_text("\n".join(lines))
    options = Options(columns=(("attributes.brand", "brand"),))
    with check(tmp_path / "items.csv", "items", options) as checked:
        ((_, lamp),) = checked.items()
    assert (lamp.title, list(lamp.categories), lamp.price, lamp.unavailable) == ("Lamp", ["x", "y"], 1.5, True)
    assert dict(lamp.attributes) == {"brand": "Acme"}
    assert {reason: tally.lines for reason, tally in checked.report.bad.items()} == {
        "title: is empty, and so is description": [3],
        "price: is outside 0–1e12": [4],
        "title: longer than 1,024 bytes": [5],
        "categories: more than 32": [6],
    }
