"""Tells the log of every explored list how likely its items were to be in it, for weighing what comes of them."""

from collections.abc import Collection, Sequence

import structlog
from penchant_adapters.attribution import attributed_profile, attributed_request
from penchant_core.pipeline import Recommended

_log = structlog.get_logger()


def tell_explored(token: str, listing: Sequence[Recommended], order: Collection[str] | None = None) -> None:
    """Log what of a listing, of *order* alone where it is given, went out with an attribution token; else nothing.

    The request is the one that events with this token are kept with.
    """
    told = [one for one in listing if one.propensity and (order is None or one.known.item.item_id in order)]
    if told:
        request = attributed_request(token)
        _log.info(
            "explored",
            request=request.partition(" ")[0],
            profile=attributed_profile(request),
            items=[one.known.item.item_id for one in told],
            propensities=[round(one.propensity, 6) for one in told],
        )
