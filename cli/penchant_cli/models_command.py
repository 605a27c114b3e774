"""``penchant models``: another encoder for a service that goes on answering."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import grpc
import penchant
import typer
from google.protobuf.json_format import MessageToDict
from penchant.channel import DEFAULT_TARGET
from penchant.errors import from_call
from penchant.v1 import model_pb2
from rich.console import Console
from rich.table import Table

from penchant_cli.bars import bars
from penchant_cli.connection import ApiKey, Ca, Cert, CertKey, Encrypted, Target, client_of, told
from penchant_cli.options import with_options

METADATA, FILE = "x-penchant-operator-key", "operator.key"
LOOK = 0.5
"""Seconds between two looks at a fill."""
NEEDED = 2
"""Exit code where the operator's key is missing."""

app = typer.Typer(
    help="""Roll out another encoder while the service answers (penchant up).

    add: its vectors are made for all items and users, in the background; what is learnt meanwhile gets both.
    shadow: compare its lists with those that are answered. promote: it answers, from one list to the next.
    rollback: the one before answers again, at once. remove: its vectors are deleted.
    """,
    no_args_is_help=True,
)

DataDir = Annotated[
    Path,
    typer.Option(
        envvar="PENCHANT_DATA_DIR",
        help="The service's data directory, whose file operator.key is the leave to change models.",
        rich_help_panel="Connection",
    ),
]
Key = Annotated[
    str,
    typer.Option(
        envvar="PENCHANT_OPERATOR_KEY",
        help="What stands in operator.key, where the directory is on another machine.",
        show_default=False,
        rich_help_panel="Connection",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Model = Annotated[str, typer.Argument(help="Name or encoder of a model, as `penchant models list` shows them.")]
DEFAULT_DIR = Path(".penchant")


class Operator:
    """Calls of ``ModelService`` with the key."""

    def __init__(self, client: penchant.Client, data_dir: Path, key: str) -> None:
        self._stub: Any = client.raw.models
        self._metadata = ((METADATA, key or _read(data_dir)),)

    def call(self, method: str, request: Any) -> Any:
        """Return the answer; raises ``penchant.PenchantError``."""
        try:
            return getattr(self._stub, method)(request, metadata=self._metadata)
        except grpc.RpcError as error:
            translated = from_call(error)  # type: ignore[arg-type]  # it only asks for what every error has
            if isinstance(translated, penchant.Unimplemented):
                raise penchant.Unimplemented(
                    "this service is changed by its settings, encoder and encoders_beside: see penchant spaces"
                ) from error
            raise translated from error

    def listed(self) -> Sequence[model_pb2.Model]:
        """Return all models."""
        found: Sequence[model_pb2.Model] = self.call("ListModels", model_pb2.ListModelsRequest()).models
        return found


def _read(data_dir: Path) -> str:
    file = data_dir / FILE
    try:
        return file.read_text().strip()
    except OSError as error:
        Console(stderr=True).print(
            f"[red]Cannot read {file}: {error.strerror}.[/] Name the service's directory with --data-dir, or give the "
            "key with PENCHANT_OPERATOR_KEY.",
            highlight=False,
            soft_wrap=True,
        )
        raise typer.Exit(NEEDED) from error


@contextmanager
def operator_of(
    target: Target = DEFAULT_TARGET,
    api_key: ApiKey = "",
    tls: Encrypted = False,
    ca: Ca = None,
    cert: Cert = None,
    key: CertKey = None,
    data_dir: DataDir = DEFAULT_DIR,
    operator_key: Key = "",
) -> Iterator[Operator]:
    """Give the operator that the command line says."""
    with client_of(target, api_key, tls, ca, cert, key) as client:
        yield Operator(client, data_dir, operator_key)


def _command(command: Callable[..., None]) -> Callable[..., None]:
    """Add a command, which gets an operator first and the options of the connection last."""
    app.command(command.__name__.removesuffix("_"))(told(with_options(operator_of, command)))
    return command


@_command
def list_(operator: Operator, as_json: AsJson = False) -> None:
    """Show the models of a service, how far each is filled, and how it compares."""
    models = operator.listed()
    if as_json:
        print(json.dumps([MessageToDict(one, preserving_proto_field_name=True) for one in models]))
        return
    table = Table("model", "encoder", "numbers", "state", "compared with what is answered", box=None, pad_edge=False)
    for one in models:
        table.add_row(one.name, one.encoder, str(one.dimensions), _state(one), _comparison(one))
    Console().print(table, highlight=False)


@_command
def add(
    operator: Operator,
    encoder: Annotated[str, typer.Argument(help="builtin: or hf:NAME_OR_PATH, read by the service on its machine.")],
    wait: Annotated[bool, typer.Option("--wait", help="Show how it is filled, until it is whole.")] = False,
) -> None:
    """Open another encoder in the service and fill its space: every item and every user gets its vectors.

    A fill goes on after a restart, whatever ended the service.
    """
    model = operator.call("AddModel", model_pb2.AddModelRequest(encoder=encoder)).model
    _say(f"[green]Added[/] {model.name}, {model.dimensions} numbers a vector.")
    if wait:
        _wait(operator, model.name, Console(stderr=True))
        _say(f"[green]{model.name} is whole.[/] Next: penchant models shadow, promote")


@_command
def shadow(
    operator: Operator,
    model: Model,
    share: Annotated[float, typer.Argument(min=0.0, max=1.0, help="Part of the lists, 0–1; 0 ends it.")],
) -> None:
    """Make a share of the lists by another model too, after they were answered, and compare: see `list`."""
    found = operator.call("ShadowModel", model_pb2.ShadowModelRequest(model=model, share=share)).model
    _say(f"{found.name} makes {share:.0%} of the lists too; see penchant models list")


@_command
def promote(operator: Operator, model: Model) -> None:
    """Let a model answer that is whole. Open streams get a new list; the one before stays, to go back to."""
    found = operator.call("PromoteModel", model_pb2.PromoteModelRequest(model=model)).model
    _answers(found)


@_command
def rollback(operator: Operator) -> None:
    """Let the model answer that did before, at once."""
    _answers(operator.call("RollBack", model_pb2.RollBackRequest()).model)


@_command
def remove(operator: Operator, model: Model) -> None:
    """Delete the vectors of a model that does not answer. Add it again to have it again."""
    operator.call("RemoveModel", model_pb2.RemoveModelRequest(model=model))
    _say(f"Removed {model} and its vectors.")


def _answers(model: model_pb2.Model) -> None:
    _say(f"[green]{model.name} answers.[/] Set encoder = {json.dumps(model.encoder)} for the next start.")


def _say(sentence: str) -> None:
    Console().print(sentence, highlight=False, soft_wrap=True)


def _wait(operator: Operator, name: str, console: Console) -> None:
    most: dict[str, int] = {}
    with bars(console) as watch:
        while True:
            model = next((one for one in operator.listed() if one.name == name), None)
            if model is None:
                raise penchant.NotFound(f"{name} was removed")
            for what, lacking in (("items", model.items_lacking), ("users", model.users_lacking)):
                if lacking or what in most:
                    most[what] = max(most.get(what, 0), lacking)
                    watch(what, most[what] - lacking, most[what])
            if model.problem:
                console.print(f"[yellow]{model.problem}[/]; it is tried again", highlight=False, soft_wrap=True)
            if model.state == model_pb2.Model.STATE_WHOLE:
                break
            time.sleep(LOOK)


def _state(model: model_pb2.Model) -> str:
    if model.active:
        return "answers"
    if model.state == model_pb2.Model.STATE_AWAY:
        return f"away: {model.problem}"
    before = ", answered before" if model.before else ""
    if model.state == model_pb2.Model.STATE_WHOLE:
        return f"whole{before}"
    problem = f": {model.problem}" if model.problem else ""
    return f"filling, {model.items_lacking:,} items and {model.users_lacking:,} users left{before}{problem}"


def _comparison(model: model_pb2.Model) -> str:
    found = model.comparison
    if not found.share:
        return ""
    if not found.lists:
        return f"{found.share:.0%} of the lists; none yet"
    return (
        f"{found.lists:,} lists, {found.overlap:.0%} of ten the same; p50 {1e3 * found.p50:.1f} ms, p99 "
        f"{1e3 * found.p99:.1f} ms, against {1e3 * found.active_p50:.1f} and {1e3 * found.active_p99:.1f}"
    )
