"""What the runtime of an encoder does in its threads: reading texts, and computing vectors of what was read."""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from penchant_core.errors import EncoderFailed
from penchant_core.vectors import Matrix

from penchant_adapters.encoders.model import Reading, TextModel, TextReader

_log = logging.getLogger(__name__)


class Lost(Exception):
    """A model fails at what it could do before."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


Readings = Sequence[Reading | Exception]
"""What was read of each text, or why nothing was."""


def read(reader: TextReader, given: list[Any]) -> Readings:
    """Return what was read of texts. What cannot be read takes nothing along that was read with it."""
    try:
        return reader.read(given)
    except Exception as error:
        if len(given) == 1:
            raise
        _log.warning("%d texts cannot be read together, but one by one: %s", len(given), told(error))
        return [_alone(lambda one=one: reader.read([one])[0]) for one in given]  # type: ignore[misc]


class Made(NamedTuple):
    """The vectors of a batch."""

    rows: Matrix
    """Shape (B, dim), unit length; a row that was not finite throughout, or all zero, is all NaN."""
    failed: Mapping[int, Exception]
    """Position → why there is no row."""


class Computing:
    """A model, and what it has made a vector of before: one that fails at this as well is lost."""

    def __init__(self, model: TextModel) -> None:
        self._model = model
        self._known: Any = None

    def vectors(self, given: list[Any]) -> Made:
        """Return the vectors of a batch. What the model fails at takes nothing along that was in its batch.

        Raises ``Lost``, the model's own ``exhausted``, or what it raises when it fails at all of them.
        """
        failed: dict[int, Exception] = {}
        try:
            rows = _rows(self._model, given)
        except self._model.exhausted as error:
            raise error.with_traceback(None) from None  # with it the failed attempt's tensors would live on
        except Exception as error:
            if self._known is not None:
                try:
                    _rows(self._model, [self._known])
                except Exception:  # noqa: BLE001 whatever it is now
                    raise Lost(error) from error
            if len(given) == 1:
                raise
            _log.warning("the model fails at %d texts at once, and is asked one by one: %s", len(given), told(error))
            outcomes = [_alone(lambda one=one: _rows(self._model, [one])[0]) for one in given]  # type: ignore[misc]
            failed = {position: one for position, one in enumerate(outcomes) if isinstance(one, Exception)}
            if len(failed) == len(given):
                raise
            nothing = np.full(self._model.dim, np.nan, np.float32)
            rows = np.stack([nothing if isinstance(one, Exception) else one for one in outcomes])
        self._known = next(one for position, one in enumerate(given) if position not in failed)
        with np.errstate(all="ignore"):
            scaled: Matrix = rows / np.abs(rows).max(axis=1, keepdims=True)  # squares of large values would overflow
            unit: Matrix = scaled / np.linalg.norm(scaled, axis=1, keepdims=True)
        return Made(unit, failed)


def _alone(work: Callable[[], Any]) -> Any:
    try:
        return work()
    except Exception as error:  # noqa: BLE001 whatever the model raises
        return error


def _rows(model: TextModel, given: list[Any]) -> Matrix:
    rows = np.asarray(model.vectors(given), dtype=np.float32)
    if rows.shape != (len(given), model.dim):
        raise EncoderFailed(f"the encoder {model.name} gave shape {rows.shape}, not {(len(given), model.dim)}")
    return rows


def told(error: BaseException) -> str:
    """Return what an error says, or else its kind."""
    return str(error) or type(error).__name__
