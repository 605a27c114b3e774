"""Which column gives which field: said with ``--map``, or guessed from customary names."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from penchant_cli.importing.errors import FileRefused

_ITEM_ID = ("itemid", "asin", "parentasin", "stockcode", "movieid", "productid", "sku", "articleid", "artistid",
            "courseid", "bookid", "isbn", "videoid", "trackid", "gameid", "itemcode", "item", "product")  # fmt: skip

ITEM_GUESSES: Mapping[str, tuple[str, ...]] = {
    "item_id": (*_ITEM_ID, "id", "code"),
    "title": ("title", "name", "productname", "itemname", "producttitle", "description"),
    "description": (
        "description",
        "desc",
        "longdescription",
        "productdescription",
        "body",
        "summary",
        "text",
        "abstract",
    ),
    "categories": ("categories", "category", "genres", "genre", "tags", "cat", "department"),
    "price": ("price", "unitprice", "saleprice", "listprice"),
    "unavailable": ("unavailable", "soldout", "discontinued"),
    "available": ("available", "instock", "availability"),
}
"""Fields of items and the column names they are guessed from: letters and digits only, best first."""

EVENT_GUESSES: Mapping[str, tuple[str, ...]] = {
    "event_id": ("eventid",),
    "user_id": ("userid", "customerid", "reviewerid", "visitorid", "memberid", "clientid", "accountid", "sessionid",
                "user", "customer", "visitor"),
    "type": ("type", "eventtype", "event", "action", "behavior", "behaviour", "interaction", "eventname"),
    "item_id": _ITEM_ID,
    "text": ("text", "review", "reviewtext", "reviewbody", "comment", "query", "searchterm", "searchquery", "tag"),
    "value": ("value", "rating", "overall", "stars", "starrating", "score", "quantity", "qty"),
    "occurred_at": ("occurredat", "timestamp", "time", "unixreviewtime", "invoicedate", "eventtime", "datetime", "date",
                    "createdat", "reviewtime", "ts"),
    "surface": ("surface",),
    "attribution_token": ("attributiontoken",),
}  # fmt: skip
"""The same for events."""

ATTRIBUTE = "attributes."
"""``attributes.brand`` is the attribute *brand* of an item."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where a field's value comes from: one column, several joined, or a constant."""

    columns: tuple[str, ...] = ()
    constant: str = ""

    def __call__(self, values: Mapping[str, Any]) -> Any:
        """Return the raw value: a constant, one column's, or several columns' as a list without the empty ones."""
        if len(self.columns) == 1:
            return values.get(self.columns[0])
        if self.columns:
            return [value for name in self.columns if (value := values.get(name)) not in (None, "")]
        return self.constant

    def __str__(self) -> str:
        return "+".join(self.columns) or f"={self.constant}"


def resolve(
    guesses: Mapping[str, tuple[str, ...]], said: tuple[tuple[str, str], ...], columns: tuple[str, ...]
) -> dict[str, Source]:
    """Return the source of every field that has one. What is *said* goes before guesses; a column is guessed once.

    Raises FileRefused for a field that does not exist or a column that is not in the file.
    """
    sources = {field: _source(field, column, guesses, columns) for field, column in said if column}
    taken = {name for source in sources.values() for name in source.columns}
    plain = {re.sub(r"[^a-z0-9]", "", name.lower()): name for name in reversed(columns)}
    silenced = {field for field, _ in said}
    for field, names in guesses.items():
        if field in silenced:
            continue
        found = next((plain[name] for name in names if name in plain and plain[name] not in taken), None)
        if found is not None:
            sources[field] = Source((found,))
            taken.add(found)
    return sources


def _source(field: str, said: str, guesses: Mapping[str, tuple[str, ...]], columns: tuple[str, ...]) -> Source:
    if field not in guesses and not ("price" in guesses and re.fullmatch(r"attributes\.[a-z0-9_]{1,64}", field)):
        known = ", ".join(guesses) + (f", {ATTRIBUTE}NAME (NAME of a-z, 0-9, _)" if "price" in guesses else "")
        raise FileRefused(f"--map {field}={said}: there is no field {field!r}; the fields are {known}")
    if said.startswith("="):
        return Source(constant=said[1:])
    names = (said,) if said in columns else tuple(said.split("+"))
    for name in names:
        if name not in columns:
            raise FileRefused(f"--map {field}={said}: there is no column {name!r}; the file has {', '.join(columns)}")
    return Source(names)
