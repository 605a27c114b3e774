"""The public data sets of the quality measurement, as logs, and how each is asked."""

import csv
import gzip
import os
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from penchant_core.errors import InvalidSetting
from penchant_core.model import Event, Item
from penchant_core.text import normalise
from penchant_core.tuning import DAY
from penchant_relevance.log import Log, log_of
from penchant_relevance.measure import Measure
from penchant_relevance.plans import Plan

from penchant_bench.quality.reviews import instrument_reviews

FIRST_DAY = 1_388_534_400_000
"""2014-01-01 in milliseconds: the first step of every user where the data have an order but no dates."""


def data_folder(folder: Path | None) -> Path:
    """Return the folder that holds the data sets: *folder*, else $PENCHANT_TEST_DATA, else ../shared/data.

    Raises ``InvalidSetting`` when it is not there.
    """
    chosen = folder or Path(os.environ.get("PENCHANT_TEST_DATA") or "../shared/data")
    if not chosen.is_dir():
        problem = f"{chosen} is no folder; give the folder that holds amazon_beauty/ and movielens_small/"
        raise InvalidSetting(f"{problem} with --data or PENCHANT_TEST_DATA", field="data")
    return chosen


def load(name: str, folder: Path) -> Log:
    """Load one of ``NAMES`` from the folder that holds the sets. Raises ``InvalidSetting`` when it is not there."""
    if name not in _LOADERS:
        raise InvalidSetting(f"{name!r} is no data set; take one of {', '.join(NAMES)}", field="name")
    if not (folder / name).is_dir():
        raise InvalidSetting(f"{folder} has no folder {name}/; put it there as its SOURCE.md says", field="data")
    return _LOADERS[name](folder / name)


def _amazon_beauty(folder: Path) -> Log:
    lines = (folder / "items.tsv").read_text(encoding="utf-8").split("\n")[1:]
    rows = [line.split("\t", 1) for line in lines if line.strip()]
    # Seven have no title; the service wants every item to say something.
    items = [Item(item_id=asin, title=normalise(title) or asin) for asin, title in rows]
    with gzip.open(folder / "user_sequence.txt.gz", "rt", encoding="utf-8") as file:
        events = [
            Event(event_id="", user_id=user, type="purchase", occurred_at=FIRST_DAY + step * DAY, item_id=asin)
            for user, *steps in map(str.split, file)
            for step, asin in enumerate(steps)
        ]
    return log_of("amazon_beauty", items, events)


def _movielens_small(folder: Path) -> Log:
    with gzip.open(folder / "ratings.csv.gz", "rt", encoding="utf-8") as file:
        events = [
            Event(
                event_id="",
                user_id=row["userId"],
                type="rate",
                occurred_at=int(row["timestamp"]) * 1000,
                item_id=row["movieId"],
                value=float(row["rating"]),
            )
            for row in csv.DictReader(file)
        ]
    rated = {event.item_id for event in events}
    with (folder / "movies.csv").open(encoding="utf-8") as file:
        items = [_movie(row) for row in csv.DictReader(file) if row["movieId"] in rated]
    return log_of("movielens_small", items, events)


def _movie(row: dict[str, str]) -> Item:
    genres = () if row["genres"].startswith("(") else tuple(row["genres"].split("|"))
    return Item(item_id=row["movieId"], title=normalise(row["title"]), categories=genres)


def _online_retail(folder: Path) -> Log:
    lines = sorted(_invoice_lines(folder / "online_retail_to_2011-08.csv.gz"), key=lambda line: line[:2])
    titles: dict[str, str] = {}
    for *_, code, title in lines:
        titles.setdefault(code, title)
    events = [
        Event(event_id="", user_id=customer, type="purchase", occurred_at=time, item_id=code)
        for time, _, customer, code, _ in lines
    ]
    baskets = np.array([int(invoice) for _, invoice, *_ in lines])
    items = [Item(item_id=code, title=title) for code, title in titles.items()]
    return log_of("online_retail", items, events, baskets)


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


_LOADERS = {
    "amazon_beauty": _amazon_beauty,
    "movielens_small": _movielens_small,
    "online_retail": _online_retail,
    "instrument_reviews": instrument_reviews,
}
NAMES = tuple(_LOADERS)
PLANS: Mapping[str, Plan] = {
    "amazon_beauty": Plan("last item", (Measure("NDCG@10"), Measure("Recall@10"), Measure("MRR@10"))),
    "movielens_small": Plan("replay", (Measure("NDCG@10"), Measure("Recall@20"), Measure("MRR@10"))),
    "online_retail": Plan("replay", (Measure("NDCG@20"), Measure("Recall@20"), Measure("MRR@20"))),
    "instrument_reviews": Plan("replay", (Measure("NDCG@10"), Measure("Recall@10"), Measure("MRR@10"))),
}
