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
    "consume": "penchant_cli.cluster_commands:consume_command",
    "serve": "penchant_cli.cluster_commands:serve_command",
    "keys": "penchant_cli.keys_command:app",
    "models": "penchant_cli.models_command:app",
    "spaces": "penchant_cli.spaces_command:app",
    "topics": "penchant_cli.topics_command:app",
    "dlq": "penchant_cli.dlq_command:app",
    "copy": "penchant_cli.copy_command:copy_command",
    "rebuild": "penchant_cli.rebuild_command:rebuild_command",
    "config": "penchant_cli.config_command:config_command",
    "demo": "penchant_cli.demo.command:demo_command",
    "import": "penchant_cli.import_command:app",
    "eval": "penchant_cli.eval_command:eval_command",
    "tune": "penchant_cli.tune_command:tune_command",
    "train": "penchant_cli.train_command:app",
    "encode": "penchant_cli.encode_command:encode_command",
    "compress": "penchant_cli.compress_command:compress_command",
    "bench": "penchant_bench.bench_command:bench_command",
}
"""Command → where it is. These need the server, the store or the measurements, which the command line does not."""

NEEDS = {
    "up": ("qdrant_edge", "structlog"),
    "consume": ("aiokafka", "qdrant_client"),
    "serve": ("aiokafka", "qdrant_client"),
    "topics": ("aiokafka",),
    "dlq": ("aiokafka",),
    "copy": ("qdrant_client", "qdrant_edge"),
    "rebuild": ("aiokafka", "qdrant_client"),
    "spaces": ("qdrant_client",),
    "eval": ("scipy", "psutil"),
    "tune": ("scipy", "optuna"),
    "train": ("scipy",),
    "encode": ("pyarrow",),
    "compress": ("scipy", "qdrant_edge"),
    "bench": ("matplotlib", "psutil"),
}
"""Command → what it imports only when it gets to work."""

EXTRAS = {
    "eval": "bench",
    "tune": "relevance",
    "train": "relevance",
    "compress": "relevance",
    "bench": "bench",
} | dict.fromkeys(("consume", "serve", "topics", "dlq", "copy", "rebuild", "spaces"), "cluster")
"""Command → the extra that brings what it needs, ``server`` for the others."""


class _Commands(TyperGroup):
    """A group that finds some of its commands late."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return every name, the ones to begin with first."""
        return [
            "demo",
            "up",
            "import",
            *super().list_commands(ctx),
            "consume",
            "serve",
            "topics",
            "dlq",
            "rebuild",
            "copy",
            "spaces",
            "models",
            "keys",
            "config",
            "encode",
            "eval",
            "tune",
            "train",
            "compress",
            "bench",
        ]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command, imported now if need be."""
        if cmd_name not in LATER:
            return super().get_command(ctx, cmd_name)
        found = _found(LATER[cmd_name], NEEDS.get(cmd_name, ()), EXTRAS.get(cmd_name, "server"))
        if not isinstance(found, typer.Typer):
            alone = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)
            # One that is not installed takes whatever it is given, to say so.
            alone.command(cmd_name, context_settings={"ignore_unknown_options": found.__name__ == "not_installed"})(
                found
            )
            found = alone
        command = get_command(found)
        command.name = cmd_name
        return command


def _found(place: str, needs: tuple[str, ...], extra: str) -> Any:
    module, attribute = place.split(":")
    try:
        for name in needs:
            import_module(name)
        return getattr(import_module(module), attribute)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if missing.startswith("penchant"):
            raise

    def not_installed(words: Annotated[list[str] | None, typer.Argument(hidden=True)] = None) -> None:
        del words
        Console(stderr=True).print(
            f"[red]This command needs {missing}.[/] Run: pip install 'penchant\\[{extra}]'", highlight=False
        )
        raise typer.Exit(3)

    not_installed.__doc__ = rf"Not installed: pip install 'penchant\[{extra}]'."
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
