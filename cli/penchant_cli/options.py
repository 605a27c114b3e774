"""Options that several commands share."""

import inspect
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import wraps
from typing import Any


def with_options(
    opened: Callable[..., AbstractContextManager[Any]], command: Callable[..., None], *, first: bool = False
) -> Callable[..., None]:
    """Give a command the options of *opened*, after its own or *first*.

    The command runs inside what *opened* makes of them, and takes what that gives as its first parameter.
    """
    _, *own = inspect.signature(command).parameters.values()
    shared = inspect.signature(opened).parameters

    @wraps(command)
    def run(**given: Any) -> None:
        with opened(**{name: given.pop(name) for name in shared}) as found:
            command(found, **given)

    parameters = [*shared.values(), *own] if first else [*own, *shared.values()]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # functions have it
    return run
