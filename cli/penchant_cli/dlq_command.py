"""``penchant dlq list|show|replay``: dead letters looked at, and sent once more."""

import json
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

import typer
from google.protobuf import json_format
from google.protobuf.message import DecodeError
from penchant.v1 import catalog_pb2, event_pb2
from penchant_adapters.kafka import replaying
from penchant_adapters.kafka.topics import Topics
from penchant_adapters.settings_groups import KafkaSettings
from rich.console import Console
from rich.table import Table

from penchant_cli.neighbourly import EXIT_DIFFERENT, EXIT_FAILED, asked


class Which(StrEnum):
    """Topics that have dead letters."""

    EVENTS = "events"
    ITEMS = "items"


app = typer.Typer(
    help="Look at records that could not be read, and send them once more when the reason is mended.",
    no_args_is_help=True,
)

Topic = Annotated[Which, typer.Option(help="Of which topic.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("list")
def list_command(
    topic: Topic = Which.EVENTS,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List the newest dead letters: where each stands, where it stood, and why. Keys and values are not shown."""
    letters = asked(lambda settings: replaying.newest(settings, _name(settings, topic), limit))
    if as_json:
        print(json.dumps([_about(one) for one in letters]))
        return
    if not letters:
        Console().print("No dead letters.", style="green")
        return
    table = Table("partition", "offset", "time", "was at", "stage", "reason", highlight=False)
    for one in letters:
        time = _time(one)
        origin = f"{one.origin[0]}:{one.origin[1]}" if one.origin else "?"
        table.add_row(str(one.partition), str(one.offset), time, origin, one.stage, one.reason)
    Console().print(table)


@app.command()
def show(
    partition: Annotated[int, typer.Option(min=0, help="As `penchant dlq list` shows it.")],
    offset: Annotated[int, typer.Option(min=0, help="As `penchant dlq list` shows it.")],
    topic: Topic = Which.EVENTS,
) -> None:
    """Show one dead letter whole: headers, key and value, in hexadecimal and as what they can be read as.

    It may hold what users wrote.
    """
    letter = asked(lambda settings: replaying.one(settings, _name(settings, topic), partition, offset))
    if letter is None:
        Console(stderr=True).print(f"There is no dead letter at offset {offset} of partition {partition}.", style="red")
        raise typer.Exit(EXIT_FAILED)
    told = {
        **_about(letter),
        "key": _bytes(letter.key),
        "headers": [[name, _bytes(value)] for name, value in letter.headers],
        "value": _bytes(letter.value),
        "message": _decoded(letter.value, topic),
    }
    print(json.dumps(told, indent=2, ensure_ascii=False))


@app.command()
def replay(
    topic: Topic = Which.EVENTS,
    partition: Annotated[int | None, typer.Option(min=0, help="Only from this partition, with --offset.")] = None,
    offset: Annotated[list[int] | None, typer.Option(min=0, help="Only this one; repeatable.")] = None,
    again: Annotated[bool, typer.Option("--again", help="Also those that an earlier replay has sent.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count, send nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Send dead letters to their own topic once more: all, or those at the given offsets of a partition.

    They are sent byte for byte, without the headers about the error. What is sent is remembered in the consumer group
    GROUP.dlq-replay, so that a later replay sends only what is new. One that still cannot be read comes back as a new
    dead letter.
    """
    if (partition is None) != (offset is None):
        Console(stderr=True).print("--partition and --offset are needed both, or neither.", style="red")
        raise typer.Exit(EXIT_FAILED)
    chosen = [(partition, one) for one in offset or ()] if partition is not None else None

    def work(dry: bool) -> replaying.Replayed:
        return asked(
            lambda settings: replaying.replay(settings, _name(settings, topic), chosen, again=again, dry_run=dry)
        )

    done = work(dry=True)
    if not dry_run and done.sent:
        if not yes and not typer.confirm(f"Send {done.sent:,} dead letters to the topic of {topic}?"):
            raise typer.Exit(EXIT_DIFFERENT)
        done = work(dry=False)
    verb = "would be sent" if dry_run else "sent"
    Console().print(f"{done.sent:,} {verb}, {done.known:,} had been sent before.", highlight=False)
    if done.absent:
        Console(stderr=True).print(f"{done.absent:,} of the chosen ones are not there.", style="red")
        raise typer.Exit(EXIT_DIFFERENT)


def _name(settings: KafkaSettings, topic: Which) -> str:
    return str(getattr(Topics.of(settings), topic.value))


def _about(letter: replaying.DeadLetter) -> dict[str, object]:
    return {
        "partition": letter.partition,
        "offset": letter.offset,
        "time": _time(letter),
        "origin": dict(zip(("partition", "offset"), letter.origin, strict=True)) if letter.origin else None,
        "stage": letter.stage,
        "error": letter.error,
        "reason": letter.reason,
    }


def _time(letter: replaying.DeadLetter) -> str:
    return datetime.fromtimestamp(letter.time / 1000, UTC).isoformat(timespec="milliseconds")


def _bytes(value: bytes | None) -> dict[str, str] | None:
    if value is None:
        return None
    told = {"hex": value.hex()}
    try:
        return told | {"text": value.decode()}
    except UnicodeDecodeError:
        return told


def _decoded(value: bytes | None, topic: Which) -> object:
    """Return the message that the value can be read as, if any."""
    message = event_pb2.Event() if topic is Which.EVENTS else catalog_pb2.Item()
    try:
        message.ParseFromString(value or b"")
    except DecodeError:
        return None
    return json_format.MessageToDict(message, preserving_proto_field_name=True) or None
