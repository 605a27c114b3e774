"""The data sets of the quality measurement, each as items with words and events in the order in which they happened."""

import csv
import gzip
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from penchant_core.errors import InvalidSetting
from penchant_core.model import Event, Item
from penchant_core.text import normalise
from penchant_core.tuning import DAY, Weights

Indices = NDArray[np.int64]

FIRST_DAY = 1_388_534_400_000
"""2014-01-01 in milliseconds: the first step of every user where the data have an order but no dates."""


@dataclass(frozen=True)
class DataSet:
    """Items and events. Events of one user stand in the order in which they happened; ``steps`` are in global order."""

    name: str
    items: tuple[Item, ...]
    users: tuple[str, ...]
    user: Indices
    """Per event, position in ``users``."""
    item: Indices
    """Per event, position in ``items``."""
    time: Indices
    """Per event, milliseconds since 1970."""
    type: str
    """Type of all events."""
    value: NDArray[np.float64] | None = None
    """Per event, stars; none where the type has no value."""
    basket: Indices | None = None
    """Per event, number of the invoice; none where every event stands alone."""

    def __len__(self) -> int:
        return len(self.user)

    def weights(self, weights: Weights) -> NDArray[np.float64]:
        """Return the signed weight of every event."""
        if self.value is None:
            return np.full(len(self), weights.weigh(self.type, None))
        return np.array([weights.weigh(self.type, value) for value in self.value])

    def event(self, position: int) -> Event:
        """Return one event as the service gets it; ids ascend with the order, so they settle ties of the time."""
        return Event(
            event_id=f"{position:09d}",
            user_id=self.users[self.user[position]],
            type=self.type,
            occurred_at=int(self.time[position]),
            item_id=self.items[self.item[position]].item_id,
            value=None if self.value is None else float(self.value[position]),
        )

    @cached_property
    def index(self) -> dict[str, int]:
        """Item id → position in ``items``."""
        return {item.item_id: position for position, item in enumerate(self.items)}

    @cached_property
    def sequences(self) -> list[Indices]:
        """Positions of every user's events, oldest first."""
        order = np.argsort(self.user, kind="stable")
        return np.split(order, np.cumsum(np.bincount(self.user, minlength=len(self.users)))[:-1])


def data_folder(folder: Path | None) -> Path:
    """Return the folder that holds the data sets: *folder*, else $PENCHANT_TEST_DATA, else ../shared/data.

    Raises ``InvalidSetting`` when it is not there.
    """
    chosen = folder or Path(os.environ.get("PENCHANT_TEST_DATA") or "../shared/data")
    if not chosen.is_dir():
        problem = f"{chosen} is no folder; give the folder that holds amazon_beauty/ and movielens_small/"
        raise InvalidSetting(f"{problem} with --data or PENCHANT_TEST_DATA", field="data")
    return chosen


def load(name: str, folder: Path) -> DataSet:
    """Load one of ``NAMES`` from the folder that holds the sets. Raises ``InvalidSetting`` when it is not there."""
    if name not in _LOADERS:
        raise InvalidSetting(f"{name!r} is no data set; take one of {', '.join(NAMES)}", field="name")
    if not (folder / name).is_dir():
        raise InvalidSetting(f"{folder} has no folder {name}/; put it there as its SOURCE.md says", field="data")
    return _LOADERS[name](folder / name)


def _amazon_beauty(folder: Path) -> DataSet:
    lines = (folder / "items.tsv").read_text(encoding="utf-8").split("\n")[1:]
    rows = [line.split("\t", 1) for line in lines if line.strip()]
    # Seven have no title; the service wants every item to say something.
    items = tuple(Item(item_id=asin, title=normalise(title) or asin) for asin, title in rows)
    index = {item.item_id: position for position, item in enumerate(items)}
    with gzip.open(folder / "user_sequence.txt.gz", "rt", encoding="utf-8") as file:
        sequences = [line.split() for line in file]
    steps = [step for sequence in sequences for step in range(len(sequence) - 1)]
    return DataSet(
        name="amazon_beauty",
        items=items,
        users=tuple(sequence[0] for sequence in sequences),
        user=np.repeat(np.arange(len(sequences)), [len(sequence) - 1 for sequence in sequences]),
        item=np.array([index[asin] for sequence in sequences for asin in sequence[1:]]),
        time=FIRST_DAY + np.array(steps, np.int64) * DAY,
        type="purchase",
    )


def _movielens_small(folder: Path) -> DataSet:
    with gzip.open(folder / "ratings.csv.gz", "rt", encoding="utf-8") as file:
        ratings = sorted(csv.DictReader(file), key=lambda row: int(row["timestamp"]))
    rated = {row["movieId"] for row in ratings}
    with (folder / "movies.csv").open(encoding="utf-8") as file:
        items = tuple(_movie(row) for row in csv.DictReader(file) if row["movieId"] in rated)
    index = {item.item_id: position for position, item in enumerate(items)}
    users, user = np.unique([row["userId"] for row in ratings], return_inverse=True)
    return DataSet(
        name="movielens_small",
        items=items,
        users=tuple(users.tolist()),
        user=user,
        item=np.array([index[row["movieId"]] for row in ratings]),
        time=np.array([int(row["timestamp"]) * 1000 for row in ratings]),
        type="rate",
        value=np.array([float(row["rating"]) for row in ratings]),
    )


def _movie(row: dict[str, str]) -> Item:
    genres = () if row["genres"].startswith("(") else tuple(row["genres"].split("|"))
    return Item(item_id=row["movieId"], title=normalise(row["title"]), categories=genres)


def _online_retail(folder: Path) -> DataSet:
    lines = sorted(_invoice_lines(folder / "online_retail_to_2011-08.csv.gz"), key=lambda line: line[:2])
    titles: dict[str, str] = {}
    for *_, code, title in lines:
        titles.setdefault(code, title)
    index = {code: position for position, code in enumerate(titles)}
    users, user = np.unique([customer for _, _, customer, _, _ in lines], return_inverse=True)
    return DataSet(
        name="online_retail",
        items=tuple(Item(item_id=code, title=title) for code, title in titles.items()),
        users=tuple(users.tolist()),
        user=user,
        item=np.array([index[code] for *_, code, _ in lines]),
        time=np.array([time for time, *_ in lines]),
        type="purchase",
        basket=np.array([int(invoice) for _, invoice, *_ in lines]),
    )


def _invoice_lines(path: Path) -> Iterator[tuple[int, str, str, str, str]]:
    """Yield time, invoice, customer, code and title of every line that sold a product to somebody known, once each."""
    seen = set()
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            sold = row["CustomerID"] and not row["InvoiceNo"].startswith("C") and int(row["Quantity"]) > 0
            # Codes without five digits are postage, fees and manual entries.
            key = (row["InvoiceNo"], row["StockCode"])
            if not sold or key in seen or not re.fullmatch(r"\d{5}[A-Za-z]*", row["StockCode"]):
                continue
            seen.add(key)
            moment = datetime.fromisoformat(row["InvoiceDate"]).replace(tzinfo=UTC)
            yield (
                int(moment.timestamp()) * 1000,
                row["InvoiceNo"],
                row["CustomerID"],
                row["StockCode"],
                normalise(row["Description"]),
            )


_LOADERS = {"amazon_beauty": _amazon_beauty, "movielens_small": _movielens_small, "online_retail": _online_retail}
NAMES = tuple(_LOADERS)
