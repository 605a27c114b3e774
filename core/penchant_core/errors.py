"""Errors by fault. Adapters raise them from foreign errors; the gRPC edge turns them into status codes, once.

::

    PenchantError
    ├── CallerError               the caller can mend it
    │   ├── InvalidField          a value is outside its limits
    │   ├── UnknownItem           an item is not in the catalogue
    │   └── StaleRequest          a freshness token does not fit this service
    ├── Overloaded                refused early; try again after a while
    ├── OutOfSpace                the disk is (nearly) full; nothing was changed
    ├── OperatorError             the operator can mend it
    │   ├── InvalidSetting        a setting is unknown or outside its limits
    │   ├── StoreInUse            another process has the store open
    │   ├── StoreMismatch         the store was made with another model or layout
    │   └── LogMismatch           topics are missing, or are not those that the store was made from
    ├── Unavailable               a neighbour cannot be reached, or fails; try again
    └── EncoderFailed             the model did not give a vector
"""


class PenchantError(Exception):
    """Base of every error that Penchant raises on purpose. The message tells its reader what to do."""

    reason = "INTERNAL"
    """Stable name for programs, sent as ``google.rpc.ErrorInfo.reason``."""


class CallerError(PenchantError):
    """The caller can mend it."""


class InvalidField(CallerError):
    """A value is outside its limits; nothing was changed."""

    reason = "INVALID_FIELD"

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem


class UnknownItem(CallerError):
    """An item is not in the catalogue; nothing was changed."""

    reason = "UNKNOWN_ITEM"

    def __init__(self, item_id: str, field: str = "item_id") -> None:
        super().__init__(f"{field}: {item_id!r} is not in the catalogue; upsert the item first")
        self.field = field
        self.item_id = item_id


class StaleRequest(CallerError):
    """A freshness or resume token does not belong to this service's data."""

    reason = "TOKEN_MISMATCH"

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem


class Overloaded(PenchantError):
    """Refused before any work was done; try again after ``retry_after`` seconds."""

    reason = "OVERLOADED"

    def __init__(self, what: str, retry_after: float = 0.5) -> None:
        super().__init__(f"{what}; try again in {retry_after:g} s")
        self.retry_after = retry_after


class OutOfSpace(PenchantError):
    """The disk has too little room left; nothing was changed."""

    reason = "OUT_OF_SPACE"


class OperatorError(PenchantError):
    """The operator can mend it."""

    reason = "MISCONFIGURED"


class InvalidSetting(OperatorError):
    """A setting is unknown or outside its limits."""

    reason = "INVALID_SETTING"

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(f"{field}: {message}" if field else message)
        self.field = field


class StoreInUse(OperatorError):
    """Another process has the store open."""

    reason = "STORE_IN_USE"


class StoreMismatch(OperatorError):
    """The store was made by another model or by a layout this version does not read."""

    reason = "STORE_MISMATCH"


class LogMismatch(OperatorError):
    """Topics are missing, were made anew, or have another number of partitions than what was learnt from them."""

    reason = "LOG_MISMATCH"


class Unavailable(PenchantError):
    """The store or the log cannot be reached, or fails; the same may go well in ``retry_after`` seconds."""

    reason = "UNAVAILABLE"

    def __init__(self, what: str, retry_after: float = 1.0) -> None:
        super().__init__(f"{what}; try again in {retry_after:g} s")
        self.retry_after = retry_after


class EncoderFailed(PenchantError):
    """The model did not give a usable vector."""

    reason = "ENCODER_FAILED"
