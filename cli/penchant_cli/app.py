"""``penchant``: the commands. Each is imported when it is used; those of an extra that is not installed say so."""

from importlib import import_module
from typing import Annotated, Any

import penchant
import typer
from rich.console import Console
from typer.core import TyperGroup
from typer.main import get_command

from penchant_cli import ask_commands

LATER = {
    "up": "penchant_cli.up_command:up_command",
    "config": "penchant_cli.config_command:config_command",
    "demo": "penchant_cli.demo.command:demo_command",
    "import": "penchant_cli.import_command:app",
    "eval": "penchant_bench.eval_command:eval_command",
    "bench": "penchant_bench.bench_command:bench_command",
}
"""Command → where it is. These need the server, the store or the measurements, which the command line does not."""


class _Commands(TyperGroup):
    """A group that finds some of its commands late."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return every name, the ones to begin with first."""
        return ["demo", "up", "import", *super().list_commands(ctx), "config", "eval", "bench"]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command, imported now if need be."""
        if cmd_name not in LATER:
            return super().get_command(ctx, cmd_name)
        found = _found(*LATER[cmd_name].split(":"))
        if not isinstance(found, typer.Typer):
            alone = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)
            alone.command(cmd_name)(found)
            found = alone
        command = get_command(found)
        command.name = cmd_name
        return command


def _found(module: str, attribute: str) -> Any:
    try:
        return getattr(import_module(module), attribute)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if missing.startswith("penchant"):
            raise

    def not_installed() -> None:
        """Not installed: pip install 'penchant[server]', and 'penchant[server,bench]' to measure."""
        Console(stderr=True).print(
            f"[red]This command needs {missing}.[/] Run: pip install 'penchant\\[server]', "
            "or 'penchant\\[server,bench]' to measure."
        )
        raise typer.Exit(3)

    return not_installed


app = typer.Typer(
    cls=_Commands,
    name="penchant",
    help="Real-time recommendations over gRPC: interests that follow the last click, in any language people write.",
    epilog="Begin with: penchant demo. Then: penchant up, penchant import items FILE, penchant recommend USER --watch.",
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
