"""``penchant``: the commands. Those of an extra that is not installed say so."""

from collections.abc import Callable
from importlib import import_module
from typing import Annotated, Any

import penchant
import typer
from rich.console import Console

from penchant_cli import ask_commands

app = typer.Typer(
    name="penchant",
    help="Real-time recommendations over gRPC: interests that follow the last click, in any language people write.",
    epilog="Start with: penchant demo. Then: penchant up, penchant import items FILE, penchant recommend USER.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
ask_commands.register(app)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"penchant {penchant.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    del version


def _optional(module: str, attribute: str) -> Any:
    """Return a command of an extra, or nothing when the extra is not installed."""
    try:
        return getattr(import_module(module), attribute)
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.startswith("penchant"):
            raise
        return _missing(error.name)


def _missing(name: str | None) -> Callable[[], None]:
    def command() -> None:
        """Not installed here: pip install 'penchant[server]' (measurements: 'penchant[server,bench]')."""
        Console(stderr=True).print(
            f"[red]This command needs {name}.[/] Run: pip install 'penchant\\[server]' or, to measure, "
            "'penchant\\[server,bench]'."
        )
        raise typer.Exit(3)

    return command


for _name, _module in {
    "up": "penchant_cli.up_command",
    "config": "penchant_cli.config_command",
    "demo": "penchant_cli.demo.command",
    "eval": "penchant_bench.eval_command",
    "bench": "penchant_bench.bench_command",
}.items():
    app.command(_name)(_optional(_module, f"{_name}_command"))
_imports = _optional("penchant_cli.import_command", "app")
if isinstance(_imports, typer.Typer):
    app.add_typer(_imports, name="import")
else:
    app.command("import")(_imports)
