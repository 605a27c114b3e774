"""Ready settings for well-known public data sets. A preset is data, plus at most one small function."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from penchant_cli.importing.errors import FileRefused, Skip
from penchant_cli.importing.options import Options
from penchant_cli.importing.records import Record


@dataclass(frozen=True, slots=True)
class Preset:
    """How to read one data set."""

    about: str
    """Which files it is for."""
    items: Options | None = None
    events: Options | None = None

    def options(self, kind: str) -> Options:
        """Return the options for ``items`` or ``events``. Raises FileRefused when the set has none."""
        found = self.items if kind == "items" else self.events
        if found is None:
            raise FileRefused(f"this preset has no {kind}: {self.about}")
        return found


_YEAR = re.compile(r"^(.*\S)\s*\((\d{4})[^)]*\)$")
# All others are postage, discounts, fees, samples, manual lines, gift vouchers and the like.
_PRODUCT = re.compile(r"\d{5}[A-Za-z]*|DCGS\w+")


def _film(record: Record) -> Record:
    values = dict(record.values)
    if match := _YEAR.match(values["title"].strip()):
        values["title"], values["year"] = match.groups()
    if values["genres"] == "(no genres listed)":
        values["genres"] = ""
    return Record(record.line, values)


def _beauty_title(record: Record) -> Record:
    # Seven items have no title; users' sequences refer to them, so they stay, under their id.
    return Record(record.line, {**record.values, "title": record.values["title"].strip() or record.values["asin"]})


def _sale(record: Record) -> Record:
    values = record.values
    if values["InvoiceNo"].startswith("C"):
        raise Skip("cancelled invoice")
    if not values["CustomerID"]:
        raise Skip("no customer")
    if values["Quantity"].startswith("-") or values["Quantity"] == "0":
        raise Skip("quantity not above 0")
    if not _PRODUCT.fullmatch(values["StockCode"]):
        raise Skip("not a product (postage, fee, discount, manual …)")
    if not float(values["UnitPrice"]):
        raise Skip("given away (price 0)")
    return record


def _numbered(record: Record) -> Record:
    return Record(record.line, {**record.values, "item_id": f"review-{record.line}"})


PRESETS: Mapping[str, Preset] = {
    "amazon_beauty": Preset(
        "items.tsv; user_sequence.txt.gz, purchases in order without times",
        items=Options(format="tsv", rule=_beauty_title),
        events=Options(format="sequence", type="purchase", order_only=True),
    ),
    "movielens_small": Preset(
        "movies.csv; ratings.csv",
        items=Options(columns=(("attributes.year", "year"), ("categories", "genres")), rule=_film, added=("year",)),
        events=Options(type="rate"),
    ),
    "movielens_tags": Preset(
        "tags.csv of MovieLens: words that users gave films, as reviews without stars",
        events=Options(type="review"),
    ),
    "online_retail": Preset(
        "invoice lines, for items as well as for events",
        items=Options(rule=_sale),
        events=Options(type="purchase", rule=_sale),
    ),
    "instrument_reviews": Preset(
        "reviews; its items have no titles, so their ids stand for them and words of the items are not to be had",
        items=Options(columns=(("item_id", "asin"), ("title", "asin"), ("description", ""))),
        events=Options(columns=(("text", "summary+reviewText"),), type="review", truncate=True),
    ),
    "shopping_reviews_zh": Preset(
        "reviews without users and times: each one becomes an item, to try Chinese text",
        items=Options(
            columns=(("item_id", "item_id"), ("title", ""), ("description", "review"), ("categories", "cat"),
                     ("attributes.sentiment", "label")),
            rule=_numbered,
            added=("item_id",),
        ),
    ),
    "lastfm_friends": Preset(
        "artists.dat; user_artists.dat, without times: every artist a user played is a like, in the file's order",
        items=Options(format="tsv"),
        events=Options(format="tsv", columns=(("value", ""),), type="like", order_only=True),
    ),
}  # fmt: skip
"""By name."""


def preset(name: str) -> Preset:
    """Return the preset called *name*. Raises FileRefused with the names there are."""
    if name not in PRESETS:
        raise FileRefused(f"--preset {name}: is unknown; there are {', '.join(PRESETS)}")
    return PRESETS[name]
