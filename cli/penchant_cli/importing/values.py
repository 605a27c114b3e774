"""From what stands in a cell to a value within the contract's limits, or to the reason why not."""

import math
import re
from collections import Counter
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import ftfy
from penchant_core.text import normalise

from penchant_cli.importing.errors import BadRecord

EARLIEST_MS = 631_152_000_000
"""1990-01-01, UTC, in milliseconds since 1970."""
LATEST_AHEAD_MS = 300_000
"""Events may be this far in the future, in milliseconds."""

_NO_ID = {"nan", "null", "none", "nil", "n/a", "#n/a", "\\n"}
_TIME_FORMATS = ("%m/%d/%Y %H:%M", "%m/%d/%Y %H:%M:%S", "%m/%d/%Y", "%m/%d/%y %H:%M", "%d.%m.%Y %H:%M", "%d.%m.%Y",
                 "%m %d, %Y", "%B %d, %Y", "%b %d, %Y", "%Y/%m/%d %H:%M:%S", "%Y/%m/%d %H:%M", "%Y/%m/%d")  # fmt: skip
_EPOCH_UNITS = ((1e11, 1e3), (1e14, 1.0), (1e17, 1e-3), (math.inf, 1e-6))
"""Below the first number it is in units of which the second one makes milliseconds: s, ms, µs, ns."""
_YES = {"true", "t", "yes", "y", "1", "in stock", "in_stock", "instock", "available", "preorder", "backorder"}
_NO = {"false", "f", "no", "n", "0", "out of stock", "out_of_stock", "outofstock", "unavailable", "discontinued"}


def identifier(value: Any, field: str, limit: int = 128) -> str:
    """Return an id as text, white space folded, case kept; nothing for what only stands for a missing one."""
    if value is None:
        return ""
    if isinstance(value, float):
        # Tables turn columns of whole numbers with gaps into floats.
        value = "" if math.isnan(value) else int(value) if value.is_integer() else value
    elif isinstance(value, bytes):
        value = value.decode(errors="surrogateescape")
    words = " ".join(str(value).split())
    if words.lower() in _NO_ID:
        return ""
    if not words.isprintable():
        raise BadRecord(field, "has characters that cannot be printed or decoded", value)
    return within(words, field, limit)


def words(value: Any, field: str, limit: int, notes: Counter[str], *, cut: bool = False) -> str:
    """Return text in its one written form, at most *limit* bytes of UTF-8; *cut* shortens what is longer."""
    if value is None or value != value:  # noqa: PLR0124 - NaN stands for a missing text in tables of numbers
        return ""
    text = value if isinstance(value, str) else str(value)
    if not text.isascii():
        _check_decoded(text, field)
        fixed = ftfy.fix_encoding(text)
        if fixed != text:
            notes["garbled texts, mended"] += 1
            text = fixed
    text = normalise(text)
    if cut and len(encoded := text.encode()) > limit:
        notes[f"{field} longer than {limit:,} bytes, cut"] += 1
        return encoded[:limit].decode(errors="ignore").rstrip()
    return within(text, field, limit)


def within(text: str, field: str, limit: int) -> str:
    """Return *text* when it has at most *limit* bytes of UTF-8; else raise BadRecord."""
    if len(text) > limit or (not text.isascii() and len(text.encode()) > limit):
        raise BadRecord(field, f"longer than {limit:,} bytes", text)
    return text


def _check_decoded(text: str, field: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise BadRecord(field, "has bytes that do not fit the encoding", ascii(text)) from error


def number(value: Any, field: str) -> float | None:
    """Return a finite number, or None for an empty cell. Reads ``$1,234.50``, ``1.234,50 €`` and ``(5.00)`` for −5."""
    if value is None or value == "":
        return None
    try:
        result = _amount(value) if isinstance(value, str) else float(value)
    except (TypeError, ValueError) as error:
        raise BadRecord(field, "is not a number", value) from error
    if result is not None and not math.isfinite(result):
        raise BadRecord(field, "is not a finite number", value)
    return result


def _amount(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        pass
    text = text.strip()
    if not text or text.lower() in _NO_ID:
        return None
    digits = re.sub(r"^[^\d.,()+-]+|[^\d.,)]+$|(?<=\d)['\s\u00a0\u202f](?=\d)", "", text)
    if digits.startswith("(") and digits.endswith(")"):
        digits = "-" + digits[1:-1]
    digits = re.sub(r"^([+-]?)[^\d.,+-]+", r"\1", digits)
    comma, point = digits.rfind(","), digits.rfind(".")
    if comma > point and not (point < 0 and re.fullmatch(r"[+-]?\d{1,3}(,\d{3})+", digits)):
        digits = digits.replace(".", "").replace(",", ".")
    return float(digits.replace(",", ""))


def boolean(value: Any, field: str) -> bool | None:
    """Return yes or no, or None for an empty cell."""
    if value is None or isinstance(value, bool):
        return value
    said = " ".join(str(value).lower().split())
    if not said:
        return None
    if said in _YES or said in _NO:
        return said in _YES
    raise BadRecord(field, "is neither yes nor no", value)


def moment(value: Any, field: str, time_format: str, zone: str) -> int | None:
    """Return milliseconds since 1970, or None for an empty cell. Times that name no zone are in *zone*."""
    if value is None or value == "":
        return None
    if isinstance(value, str):
        return _parsed(value.strip(), field, time_format, zone)
    if isinstance(value, datetime):
        return _milliseconds(value, zone)
    if isinstance(value, date):
        return _milliseconds(datetime(value.year, value.month, value.day), zone)  # noqa: DTZ001 - the zone follows
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        return _epoch(float(value), field)
    raise BadRecord(field, "is not a time", value)


@lru_cache(maxsize=4_096)
def _parsed(text: str, field: str, time_format: str, zone: str) -> int | None:
    if not text:
        return None
    if time_format:
        return _by_format(text, field, (time_format,), zone)
    # Eight digits are 20110831, not a second of 1970.
    if not (len(text) == 8 and text.isdigit()):  # noqa: PLR2004
        try:
            return _epoch(float(text), field)
        except ValueError:
            pass
    try:
        return _milliseconds(datetime.fromisoformat(text), zone)
    except ValueError:
        return _by_format(text, field, _TIME_FORMATS, zone)


def _by_format(text: str, field: str, formats: tuple[str, ...], zone: str) -> int:
    for time_format in formats:
        try:
            return _milliseconds(datetime.strptime(text, time_format), zone)  # noqa: DTZ007 - the zone follows
        except ValueError:
            continue
    raise BadRecord(field, "is not a time in a known format; --time-format names another", text)


def _milliseconds(time: datetime, zone: str) -> int:
    if time.tzinfo is None:
        time = time.replace(tzinfo=UTC if zone == "UTC" else ZoneInfo(zone))
    return round(time.timestamp() * 1000)


def _epoch(number_: float, field: str) -> int:
    if not math.isfinite(number_):
        raise BadRecord(field, "is not a finite number", number_)
    factor = next(factor for bound, factor in _EPOCH_UNITS if abs(number_) < bound)
    return round(number_ * factor)


def time_in_range(milliseconds: int, now_ms: int, value: Any) -> int:
    """Return *milliseconds* when it is between 1990-01-01 and five minutes from *now_ms*; else raise BadRecord."""
    if milliseconds < EARLIEST_MS:
        raise BadRecord("occurred_at", "is before 1990-01-01", value)
    if milliseconds > now_ms + LATEST_AHEAD_MS:
        raise BadRecord("occurred_at", "is more than five minutes in the future", value)
    return milliseconds
