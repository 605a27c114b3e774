"""What an operator can mend is said in a sentence, not with a traceback."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import typer
from penchant_core.errors import PenchantError
from rich.console import Console
from rich.markup import escape


@contextmanager
def told_in_a_sentence() -> Iterator[None]:
    """End the command with a sentence and status 2 for errors of ours, alone or the first one in a group."""
    try:
        yield
    except PenchantError as error:
        _say(error)
    except BaseExceptionGroup as group:
        found = group.subgroup(PenchantError)
        if found is None:
            raise
        _say(_first(found))


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    first = group.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first


def _say(error: BaseException) -> NoReturn:
    Console(stderr=True).print(f"[red]{escape(str(error))}[/]", highlight=False)
    raise typer.Exit(2) from error
