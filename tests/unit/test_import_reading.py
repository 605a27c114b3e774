"""Files in every format become the same records, and what is broken in them costs no more than itself."""

import csv
import gzip
import io
import json
import zipfile
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from penchant_cli.importing import FileRefused, Options, check, read_events, read_items
from penchant_cli.importing.csv_reader import read_csv
from penchant_cli.importing.records import Problem, Record
from penchant_cli.importing.tables import open_table
from pyarrow import parquet

ROWS = [{"item_id": "a", "title": "Trail shoe", "price": "9.5"}, {"item_id": "b", "title": "苹果, red", "price": ""}]


def as_csv(rows: list[dict[str, str]], delimiter: str = ",") -> bytes:
    out = io.StringIO()
    writer = csv.DictWriter(out, rows[0], delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


def records(path: Path, options: Options | None = None) -> list[Record | Problem]:
    return list(open_table(path, options or Options(), Counter()).records)


def titles(path: Path) -> dict[str, str]:
    return {item.item_id: item.title for item in read_items(path)}


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_recognised(tmp_path: Path, delimiter: str) -> None:
    (tmp_path / "items.csv").write_bytes(as_csv(ROWS, delimiter))
    assert [dict(r.values) for r in records(tmp_path / "items.csv") if isinstance(r, Record)] == ROWS


def test_a_given_delimiter_goes_before_the_guess(tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_text("item_id^title\na^one, two, three\n")
    assert records(tmp_path / "items.csv", Options(delimiter="^")) == [
        Record(2, {"item_id": "a", "title": "one, two, three"})
    ]


@pytest.mark.parametrize(
    "name", ["items.csv", "items.tsv", "items.jsonl", "items.parquet", "items.csv.gz", "items.zip"]
)
def test_every_format_gives_the_same_items(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    match path.suffix:
        case ".csv":
            path.write_bytes(as_csv(ROWS))
        case ".tsv":
            path.write_bytes(as_csv(ROWS, "\t"))
        case ".jsonl":
            path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS), encoding="utf-8")
        case ".parquet":
            parquet.write_table(pa.Table.from_pylist(ROWS), path, row_group_size=1)
        case ".gz":
            path.write_bytes(gzip.compress(as_csv(ROWS)))
        case ".zip":
            with zipfile.ZipFile(path, "w") as archive:
                archive.writestr("inner.csv", as_csv(ROWS))
    items = list(read_items(path))
    assert [(i.item_id, i.title) for i in items] == [("a", "Trail shoe"), ("b", "苹果, red")]
    assert items[0].price == 9.5
    assert not items[1].HasField("price")


def test_a_packed_file_is_known_by_its_content_not_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_bytes(gzip.compress(as_csv(ROWS)))
    assert titles(tmp_path / "items.csv") == {"a": "Trail shoe", "b": "苹果, red"}


def test_a_sequence_gives_one_event_for_each_item_of_a_user(tmp_path: Path) -> None:
    (tmp_path / "steps.txt").write_text("ann x y x\nbob\ncem z\n")
    options = Options(format="sequence", type="purchase", order_only=True, max_bad=0.5)
    assert [(e.user_id, e.item_id) for e in read_events(tmp_path / "steps.txt", options)] == [
        ("ann", "x"), ("ann", "y"), ("ann", "x"), ("cem", "z"),
    ]  # fmt: skip
    report = check(tmp_path / "steps.txt", "events", options).report
    assert report.bad["a user without items"].lines == [2]


def test_line_numbers_are_those_of_the_file_even_after_records_of_several_lines(tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_text('item_id,title\na,"two\nlines"\n\nb,one\n')
    assert [r.line for r in records(tmp_path / "items.csv")] == [2, 5]


def test_a_quote_that_never_closes_costs_no_other_line(tmp_path: Path) -> None:
    lines = ["item_id,title,price", "a,first,1", 'b,"12 inch pipe,2', *(f'c{i},"fine, really",3' for i in range(200))]
    (tmp_path / "items.csv").write_text("\n".join(lines))
    found = records(tmp_path / "items.csv")
    assert [r for r in found if isinstance(r, Problem)] == [Problem(3, "broken quotes", 'b,"12 inch pipe,2')]
    assert [r.values["item_id"] for r in found if isinstance(r, Record)] == ["a", *(f"c{i}" for i in range(200))]


def test_loose_quotes_inside_one_line_are_mended_and_counted(tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_text('item_id,title\na,"5" pipe"\nb,plain\n')
    report = check(tmp_path / "items.csv", "items", Options()).report
    assert report.accepted == 2
    assert report.notes == {"lines with loose quotes, mended": 1}


def test_tab_separated_text_without_any_quoting_keeps_its_quotes(tmp_path: Path) -> None:
    (tmp_path / "items.tsv").write_text('item_id\ttitle\na\t"12 inch\nb\t"x" y\n')
    assert titles(tmp_path / "items.tsv") == {"a": '"12 inch', "b": '"x" y'}


def test_lines_with_too_many_or_too_few_fields_are_reported_one_by_one(tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_text("item_id,title\na\nb,two\nc,three,3\nd,four,\n")
    found = records(tmp_path / "items.csv")
    assert [r.line for r in found if isinstance(r, Problem)] == [2, 4]
    assert [r.values["title"] for r in found if isinstance(r, Record)] == ["two", "four"]


def test_json_lines_that_are_broken_or_no_objects_are_reported(tmp_path: Path) -> None:
    (tmp_path / "items.jsonl").write_text(
        '{"item_id": "a", "title": "x"}\n\n{"item_id": \n[1]\n{"item_id": {"of": "b"}}\n'
    )
    found = records(tmp_path / "items.jsonl")
    assert [(r.line, r.reason) for r in found if isinstance(r, Problem)] == [(3, "not JSON"), (4, "not a JSON object")]
    assert found[-1] == Record(5, {"item_id.of": "b"})


def test_parquet_keeps_numbers_times_and_lists(tmp_path: Path) -> None:
    row = {
        "userId": 7,
        "movieId": 3.0,
        "rating": 4.5,
        "timestamp": datetime(2020, 1, 2, tzinfo=UTC),
        "vector": [0.5, 1.5],
    }
    parquet.write_table(pa.Table.from_pylist([row]), tmp_path / "events.parquet")
    (event,) = read_events(tmp_path / "events.parquet", Options(type="rate"))
    assert (event.user_id, event.item_id, event.value) == ("7", "3", 4.5)
    assert event.occurred_at.ToDatetime(UTC) == row["timestamp"]
    assert "vector" not in open_table(tmp_path / "events.parquet", Options(), Counter()).columns


@pytest.mark.parametrize(
    ("content", "read_as"),
    [("Größe für Ölfarben café", "cp1252"), ("苹果手机壳，质量很好", "gb18030")],
)
def test_lines_that_are_not_utf8_are_read_as_what_the_file_looks_like(
    tmp_path: Path, content: str, read_as: str
) -> None:
    mixed = b"item_id,title\na," + content.encode(read_as) + b"\nb," + "日本 ✓ é".encode() + b"\n"
    (tmp_path / "items.csv").write_bytes(mixed)
    report = check(tmp_path / "items.csv", "items", Options()).report
    assert report.notes == {f"lines that are not UTF-8, read as {read_as}": 1}
    assert titles(tmp_path / "items.csv") == {"a": content.replace("，", ","), "b": "日本 ✓ é"}


def test_bytes_that_do_not_fit_a_given_encoding_are_bad_only_where_they_are_used(tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_bytes(b"item_id,title,unused\na,fine,\xff\nb,bro\xffken,x\n")
    report = check(tmp_path / "items.csv", "items", Options(encoding="utf-8")).report
    assert report.accepted == 1
    assert report.bad["title: has bytes that do not fit the encoding"].lines == [3]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_byte_order_marks_are_no_part_of_the_first_column(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "items.csv").write_bytes("item_id,title\na,é\n".encode(encoding))
    assert open_table(tmp_path / "items.csv", Options(), Counter()).columns == ("item_id", "title")
    assert titles(tmp_path / "items.csv") == {"a": "é"}


def test_without_a_header_columns_are_numbered(tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_text("a,one\nb,two\n")
    options = Options(header=False, columns=(("item_id", "1"), ("title", "2")))
    assert [i.title for i in read_items(tmp_path / "items.csv", options)] == ["one", "two"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("items.csv.gz", gzip.compress(as_csv(ROWS * 9_000))[:-200], "damaged or cut off"),
        ("items.parquet", b"PAR1 not really", "not a readable Parquet file"),
        ("items.xlsx", b"x", "format 'xlsx' is unknown; use --format"),
        ("items.csv", b"", "is empty"),
        ("items.csv", b"a,b,a\n1,2,3\n", "column 'a' appears twice"),
        ("items.zip", b"PK\x03\x04 not really", "damaged or cut off"),
        ("items.csv", b"item_id,title\n" + b"x" * (17 << 20), "line 2 is longer than 16 MiB"),
    ],
)
def test_files_that_cannot_be_read_are_refused_in_one_sentence(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(FileRefused, match=message):
        check(tmp_path / name, "items", Options())


def test_a_missing_file_and_a_zip_of_two_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileRefused, match="No such file"):
        check(tmp_path / "none.csv", "items", Options())
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        archive.writestr("a.csv", "x")
        archive.writestr("b.csv", "x")
    with pytest.raises(FileRefused, match="holds 2 files"):
        check(tmp_path / "two.zip", "items", Options())


cells = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.lists(cells, min_size=3, max_size=3), max_size=8), st.sampled_from(",;\t|"))
def test_what_a_csv_writer_writes_is_read_back(rows: list[list[str]], delimiter: str) -> None:
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=delimiter, quoting=csv.QUOTE_ALL).writerows([["a", "b", "c"], *rows])
    lines = io.StringIO(out.getvalue(), newline="")
    found_delimiter, names, found = read_csv(iter(lines), delimiter, header=True, notes=Counter())
    assert (found_delimiter, names) == (delimiter, ("a", "b", "c"))
    assert [list(r.values.values()) for r in found if isinstance(r, Record)] == rows


@settings(max_examples=150, deadline=None)
@given(st.lists(cells, max_size=12))
def test_no_text_whatever_breaks_the_reader_or_loses_a_line(lines: list[str]) -> None:
    text = "a,b\n" + "\n".join(lines)
    found = list(read_csv(iter(io.StringIO(text, newline="")), ",", header=True, notes=Counter())[2])
    assert [r.line for r in found] == sorted({r.line for r in found})
