"""``penchant encode``: vectors of a file's texts, in its order, gone on with after a stop, refused with what to do."""

import asyncio
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from penchant_adapters.encoders import open_encoder
from penchant_adapters.wholefiles import write_whole
from penchant_cli.app import app
from penchant_cli.importing import encoding
from typer.testing import CliRunner

TITLES = ["Red apples", "香蕉", "Trail shoes", "حذاء للجري", "👟 only"]


def encode(*words: str) -> Any:
    return CliRunner(env={"COLUMNS": "160"}).invoke(app, ["encode", *words])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "things.jsonl"
    rows = [{"item_id": f"i{number}", "title": title, "kind": "thing"} for number, title in enumerate(TITLES)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def vectors(path: Path) -> Any:
    if path.suffix == ".npy":
        return np.load(path)
    column = pq.read_table(path)["vector"].combine_chunks()
    return column.flatten().to_numpy().reshape(len(column), -1)


def expected(texts: list[str]) -> Any:
    async def encoded() -> Any:
        async with open_encoder("builtin:") as encoder:
            return await encoder.encode(texts)

    return asyncio.run(encoded())


@pytest.mark.parametrize("name", ["out.parquet", "out.npy"])
def test_each_row_has_its_vector_in_the_order_of_the_file(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(encoding, "PART", 2)
    out = tmp_path / name
    wanted = expected(TITLES)
    done = encode(str(file), "--out", str(out))
    assert done.exit_code == 0, done.output
    np.testing.assert_allclose(vectors(out), wanted, atol=2e-3)
    assert {path.name for path in tmp_path.iterdir()} == {file.name, name}
    if name == "out.parquet":
        table = pq.read_table(out)
        assert table["id"].to_pylist() == [f"i{number}" for number in range(len(TITLES))]
        assert table["row"].to_pylist() == [1, 2, 3, 4, 5]


def test_columns_are_joined_and_what_is_long_or_empty_is_said(tmp_path: Path) -> None:
    file, out = tmp_path / "things.csv", tmp_path / "out.npy"
    file.write_text(f"a,b\nred,apples\n,\n{'long ' * 300},x\n")
    done = encode(str(file), "--text", "a+b", "--out", str(out))
    assert done.exit_code == 0, done.output
    np.testing.assert_allclose(vectors(out)[0], expected(["red apples"])[0], atol=2e-3)
    assert "1 texts are longer than 1,000 characters" in done.output
    assert "1 texts are empty" in done.output


def test_what_was_stopped_goes_on_and_what_was_done_is_not_done_again(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoding, "PART", 2)
    out, written, again = tmp_path / "out.npy", list[str](), list[str]()

    def stopping(path: Path, content: bytes) -> None:
        if len(written) == 2:
            raise KeyboardInterrupt
        written.append(path.name)
        write_whole(path, content)

    def going_on(path: Path, content: bytes) -> None:
        again.append(path.name)
        write_whole(path, content)

    monkeypatch.setattr(encoding, "write_whole", stopping)
    stopped = encode(str(file), "--out", str(out))
    assert stopped.exit_code == 130
    assert "the same command goes on" in stopped.output
    assert not out.exists()
    monkeypatch.setattr(encoding, "write_whole", going_on)
    assert encode(str(file), "--out", str(out)).exit_code == 0
    assert len(again) == 1
    assert again[0] not in written
    assert vectors(out).shape == (5, 512)


@pytest.mark.parametrize(
    ("content", "words", "tells"),
    [
        ("title\nx\n", ["--out", "out.csv"], "ends in neither of .parquet and .npy"),
        ("title\nx\n", ["--text", "name", "--out", "out.npy"], "--text name: there is no such column; there are title"),
        ("a,b\n1,2\n", ["--out", "out.npy"], "which column is the text? Say --text COLUMN; there are a, b"),
        ("title\n", ["--out", "out.npy"], "has no row to encode"),
    ],
)
def test_what_cannot_be_encoded_is_refused_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, words: list[str], tells: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "things.csv").write_text(content)
    refused = encode("things.csv", *words)
    assert refused.exit_code == 2
    assert tells in refused.output
