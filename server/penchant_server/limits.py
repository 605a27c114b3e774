"""The limits of the contract on requests, enforced: protobuf in, domain values out, or ``InvalidField``."""

from penchant.v1 import recommendation_pb2
from penchant_adapters.contract import GREATEST_PRICE, attributes, identifier, names, number, sized
from penchant_core.errors import InvalidField
from penchant_core.model import Filter
from penchant_core.pipeline import Wish
from penchant_core.profiles import Profile

PAGE = 100
LIST_PAGE = 1_000
BATCH = 1_000


def wish(options: recommendation_pb2.ListOptions, profile: Profile | None = None) -> Wish:
    """Return what a list should look like; *profile* is the one that the options name."""
    if options.page_size > PAGE:
        raise InvalidField("options.page_size", f"{options.page_size:,} is more than {PAGE}")
    only = options.filter
    low = number("filter.min_price", only.min_price, (0.0, GREATEST_PRICE)) if only.HasField("min_price") else None
    high = number("filter.max_price", only.max_price, (0.0, GREATEST_PRICE)) if only.HasField("max_price") else None
    if low is not None and high is not None and low > high:
        raise InvalidField("filter.min_price", f"{low:g} is above max_price {high:g}")
    if len(only.exclude_item_ids) > BATCH:
        raise InvalidField(
            "filter.exclude_item_ids", f"has {len(only.exclude_item_ids):,} ids, at most {BATCH:,} are allowed"
        )
    return Wish(
        size=options.page_size or 10,
        filter=Filter(
            categories=names("filter.categories", only.categories),
            attributes=attributes("filter.attributes", only.attributes, 8),
            min_price=low,
            max_price=high,
            exclude=frozenset(identifier("filter.exclude_item_ids[]", i) for i in only.exclude_item_ids),
            include_seen=only.include_seen,
        ),
        explain=options.explain,
        profile=profile,
    )


def surface(text: str) -> str:
    """Return a surface of at most 64 bytes."""
    return sized("surface", text, 64)


def batch(field: str, size: int) -> None:
    """Refuse an empty batch and one of more than 1,000."""
    if not 1 <= size <= BATCH:
        raise InvalidField(field, f"has {size:,} entries, 1–{BATCH:,} are allowed")


def page_token(token: str) -> str:
    """Return a page token, a number of 64 bits, or nothing."""
    if token and not (token.isascii() and token.isdigit() and len(token) <= 20 and int(token) < 2**64):  # noqa: PLR2004 64 bits have 20 digits
        raise InvalidField("page_token", "is not one that a page carried; leave it empty for the first page")
    return token


def list_page(size: int) -> int:
    """Return a page size for listing, 100 by default."""
    if size > LIST_PAGE:
        raise InvalidField("page_size", f"{size:,} is more than {LIST_PAGE:,}")
    return size or 100
