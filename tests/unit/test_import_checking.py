"""Mapping, duplicates, order, and the judgement over a whole file."""

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from penchant.v1.event_pb2 import Event
from penchant_cli.importing import PRESETS, FileRefused, Options, check, preset, read_events, read_items
from rich.console import Console

NOW = int(datetime(2026, 1, 1, 12, tzinfo=UTC).timestamp() * 1000)


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "file.csv"
    path.write_text(text, encoding="utf-8")
    return path


def events(path: Path, **options: Any) -> list[Event]:
    with check(path, "events", Options(**options), NOW) as checked:
        return [event for _, event in checked.events()]


@pytest.mark.parametrize(
    "header",
    [
        "user_id,item_id,type,occurred_at",
        "CustomerID,StockCode,action,InvoiceDate",
        "reviewerID,asin,event,unixReviewTime",
        "visitorid,itemid,event,timestamp",
        "User,Product ID,Event Type,Created At",
    ],
)
def test_customary_column_names_are_understood(tmp_path: Path, header: str) -> None:
    (event,) = events(write(tmp_path, f"{header}\nu,i,view,2020-01-01\n"))
    assert (event.user_id, event.item_id, event.type, event.occurred_at.seconds) == ("u", "i", "view", 1577836800)


def test_a_column_is_guessed_for_one_field_only(tmp_path: Path) -> None:
    (item,) = read_items(write(tmp_path, "StockCode,Description\n1,LAMP\n"))
    assert (item.title, item.description) == ("LAMP", "")


def test_a_map_goes_before_guesses_joins_columns_and_takes_constants(tmp_path: Path) -> None:
    path = write(tmp_path, "who,what,head,body,when,value\nu,i,Good,very good,2020-01-01,junk\n")
    columns = (
        ("user_id", "who"), ("item_id", "what"), ("text", "head+body"), ("occurred_at", "when"), ("type", "=review"),
        ("surface", "=import"), ("value", ""),
    )  # fmt: skip
    (event,) = events(path, columns=columns)
    assert (event.text, event.type, event.surface, event.HasField("value")) == (
        "Good very good",
        "review",
        "import",
        False,
    )


@pytest.mark.parametrize(
    ("kind", "header", "options", "message"),
    [
        ("events", "user,item,time", {}, "no column for type .* --type purchase"),
        ("events", "user,item,type", {}, "no column for occurred_at .* --order-only"),
        ("events", "item,type,time", {}, "no column for user_id"),
        ("events", "user,type,time", {}, "no column for item_id or text"),
        ("items", "item,price", {}, "no column for title or description"),
        (
            "items",
            "item,title",
            {"columns": (("title", "name"),)},
            "there is no column 'name'; the file has item, title",
        ),
        (
            "items",
            "item,title",
            {"columns": (("colour", "title"),)},
            "there is no field 'colour'; the fields are item_id",
        ),
        ("items", "item,title", {"type": "view"}, "--type and --order-only are for events"),
        ("events", "user,item,time", {"type": "rate", "rating_scale": (5, 1)}, "--rating-scale 5:1"),
        ("events", "user,item,time", {"type": "rate", "timezone": "Mars/Base"}, "Mars/Base"),
        ("items", "item,title", {"encoding": "utf-9"}, "utf-9"),
    ],
)
def test_what_is_missing_or_misspelt_is_said_before_anything_is_read(
    tmp_path: Path, kind: Any, header: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(FileRefused, match=message):
        check(write(tmp_path, header + "\n"), kind, Options(**options))


def test_the_last_of_several_items_with_one_id_stays(tmp_path: Path) -> None:
    path = write(tmp_path, "item,title\na,old\nb,other\na,newer\na,newest\n")
    with check(path, "items", Options()) as checked:
        assert [(line, i.item_id, i.title) for line, i in checked.items()] == [(5, "a", "newest"), (3, "b", "other")]
    assert checked.report.duplicates.count == 2
    assert checked.report.duplicates.lines == [2, 4]


def test_the_same_event_counts_once_and_another_second_is_another_event(tmp_path: Path) -> None:
    row = "u,i,view,2020-01-01 00:00:0"
    path = write(tmp_path, f"user,item,type,time\n{row}1\n{row}1\n{row}2\n")
    with check(path, "events", Options()) as checked:
        assert [line for line, _ in checked.events()] == [2, 4]
    assert checked.report.duplicates.lines == [3]


def test_event_ids_depend_on_content_alone(tmp_path: Path) -> None:
    one = events(write(tmp_path, "user,item,type,time\nu,i,view,2020-01-01\nv,i,view,2020-01-01\n"))
    two = events(write(tmp_path, "time;type;item;user\n1577836800;View; i ;v\n1577836800;View; i ;u\n"))
    assert {e.event_id for e in one} == {e.event_id for e in two}
    assert len({e.event_id for e in one}) == 2
    assert all(len(e.event_id) == 32 for e in one)


def test_event_ids_of_the_file_are_kept_and_are_unique_for_each_user(tmp_path: Path) -> None:
    path = write(
        tmp_path, "event_id,user,item,type,time\n1,u,i,view,2020-01-01\n1,v,i,view,2020-01-01\n1,u,j,view,2020-01-02\n"
    )
    assert [(e.event_id, e.user_id, e.item_id) for e in events(path)] == [("1", "u", "i"), ("1", "v", "i")]


def test_order_without_time_becomes_one_day_a_step_up_to_the_given_day(tmp_path: Path) -> None:
    path = write(tmp_path, "user,item\nann,a\nbob,x\nann,b\nann,a\n")
    found = events(path, type="purchase", order_only=True, until=date(2025, 3, 31))
    days = [(e.user_id, e.item_id, e.occurred_at.ToDatetime().isoformat()[:16]) for e in found]
    assert days == [
        ("ann", "a", "2025-03-29T00:00"), ("bob", "x", "2025-03-31T00:00"),
        ("ann", "b", "2025-03-30T00:00"), ("ann", "a", "2025-03-31T00:00"),
    ]  # fmt: skip
    later = events(path, type="purchase", order_only=True)
    assert [e.event_id for e in later] == [e.event_id for e in found]
    assert later[0].occurred_at.ToDatetime() == datetime(2025, 12, 30)  # noqa: DTZ001 - protobuf gives it without a zone


def test_a_file_with_too_many_bad_records_is_refused_as_a_whole(tmp_path: Path) -> None:
    path = write(tmp_path, "item,title\n" + "".join(f"{i},{'t' if i % 10 else ''}\n" for i in range(100)))
    with pytest.raises(FileRefused, match=r"10 of 100 records are bad \(10.0%, .*first: line 2: title: is empty"):
        list(read_items(path))
    assert len(list(read_items(path, Options(max_bad=0.1)))) == 90


def test_a_file_without_any_good_record_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileRefused, match="no record is left"):
        list(read_events(write(tmp_path, "user,item,type,time\n")))


def test_the_report_adds_up_and_names_lines_and_examples(tmp_path: Path) -> None:
    table = "item,title,price,colour\n" + "a,x,,red\n" * 7 + "b,y,[bad]\\,red\n" * 2 + "c,,1,\n"
    with check(write(tmp_path, table), "items", Options()) as checked:
        report = checked.report
    assert report.read == report.accepted + report.bad_count + report.duplicates.count
    report.write(tmp_path / "report.json")
    written = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert written["read"] == 10
    assert written["bad"]["price: is not a number"] == {"count": 2, "lines": [9, 10], "example": "[bad]\\"}
    assert written["duplicates"]["lines"] == [2, 3, 4, 5, 6]
    assert written["columns"] == {"item_id": "item", "title": "title", "price": "price"}
    assert written["unused_columns"] == ["colour"]
    console = Console(width=140, record=True, file=(tmp_path / "out").open("w"))
    with console.file:
        report.show(console)
    shown = console.export_text()
    assert "price: is not a number" in shown
    assert "[bad]" in shown
    assert "2, 3, 4, 5, 6 …" in shown


def test_options_have_one_fingerprint_for_each_result() -> None:
    assert Options().fingerprint() == Options(max_bad=0.5).fingerprint()
    films = PRESETS["movielens_small"].options("items")
    assert len({Options().fingerprint(), Options(type="view").fingerprint(), films.fingerprint()}) == 3


def test_unknown_presets_and_missing_halves_are_named() -> None:
    with pytest.raises(FileRefused, match="--preset netflix: is unknown; there are amazon_beauty"):
        preset("netflix")
    with pytest.raises(FileRefused, match="this preset has no events"):
        preset("shopping_reviews_zh").options("events")
