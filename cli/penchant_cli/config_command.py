"""``penchant config``: every setting, its meaning, its value and where it can be set."""

import dataclasses
import json
from typing import Annotated, Any

import typer
from penchant_core.errors import OperatorError
from pydantic import BaseModel
from rich.console import Console
from rich.table import Table


def config_command(
    as_json: Annotated[bool, typer.Option("--json", help="Print the values as JSON.")] = False,
) -> None:
    """Show every setting with its present value.

    A setting comes from a variable (PENCHANT_DATA_DIR=/var/lib/penchant, nested ones with two underscores:
    PENCHANT_SCORING__DEPTH=200), or from a TOML file named by PENCHANT_CONFIG. Unknown names are refused.
    """
    from penchant_adapters.settings import NESTING, PREFIX, Settings  # noqa: PLC0415 not always installed

    console = Console()
    try:
        settings = Settings.read()
    except OperatorError as error:
        Console(stderr=True).print(f"[red]{error}[/]", highlight=False)
        raise typer.Exit(2) from error
    values = settings.model_dump(mode="json")
    if as_json:
        console.print_json(json.dumps(values))
        return
    table = Table("variable", "value", "meaning", title="settings", highlight=False)
    for name, field in Settings.model_fields.items():
        value = getattr(settings, name)
        meaning = (field.description or "").replace("``", "")
        if isinstance(value, BaseModel):
            for inner_name, inner_field in type(value).model_fields.items():
                told = (inner_field.description or "").replace("``", "").replace("\n", " ")
                variable = f"{PREFIX}{name.upper()}{NESTING}{inner_name.upper()}"
                table.add_row(variable, _shown(values[name][inner_name]), told)
            continue
        if not dataclasses.is_dataclass(value) or isinstance(value, type):
            table.add_row(f"{PREFIX}{name.upper()}", _shown(values[name]), meaning)
            continue
        for inner in dataclasses.fields(value):
            low, high = inner.metadata["range"]
            variable = f"{PREFIX}{name.upper()}{NESTING}{inner.name.upper()}"
            table.add_row(variable, _shown(getattr(value, inner.name)), f"{meaning} ({low:g}–{high:g})")
    console.print(table)


def _shown(value: Any) -> str:
    return "none" if value is None else str(value)
