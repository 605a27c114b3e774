"""``penchant keys new|check``: make API keys of a service, and check the file it reads them from."""

import hashlib
import secrets
from pathlib import Path
from typing import Annotated

import typer
from penchant_core.errors import InvalidSetting
from penchant_server.keys import FIELD, PREFIX, parsed, read
from rich.console import Console

app = typer.Typer(help="Make API keys of a service, and check the file it reads them from.", no_args_is_help=True)

KEY_BYTES = 32

Name = Annotated[str, typer.Argument(help="Whose key: a program, a team. A name may have two, to change keys.")]
File = Annotated[Path | None, typer.Option("--file", help="Add the line to this file, made if it is not there.")]
Given = Annotated[Path, typer.Argument(help="The file of access.api_keys_file.")]


@app.command()
def new(name: Name, file: File = None) -> None:
    """Make a key. It is printed once and kept nowhere; the service's file gets its hash."""
    key = PREFIX + secrets.token_urlsafe(KEY_BYTES)
    line = f"{name} {hashlib.sha256(key.encode()).hexdigest()}"
    try:
        if file is None:
            parsed(line, "NAME")
        else:
            _add(line, file)
    except InvalidSetting as error:
        raise _refused(error) from error
    note = Console(stderr=True, highlight=False, soft_wrap=True)
    note.print(
        "The key, shown this once. Give it to the caller, who sends it as: authorization: Bearer KEY", style="dim"
    )
    typer.echo(key)
    if file is None:
        note.print("The line for the file of access.api_keys_file:", style="dim")
        typer.echo(line)


@app.command()
def check(file: Given) -> None:
    """Check a file as the service does when it starts."""
    try:
        names = read(file)
    except InvalidSetting as error:
        raise _refused(error) from error
    for name in sorted(set(names.values())):
        count = list(names.values()).count(name)
        typer.echo(f"{name}: {count} {'key' if count == 1 else 'keys'}")


def _add(line: str, file: Path) -> None:
    try:
        before = file.read_text("utf-8") if file.exists() else ""
        whole = before + ("" if before.endswith("\n") or not before else "\n") + line + "\n"
        parsed(whole, str(file))
        # In one step: a service that looks meanwhile sees the old file or the new one, never half of it.
        beside = file.with_name(file.name + ".new")
        beside.touch(mode=0o600)
        beside.write_text(whole, "utf-8")
        if before:
            beside.chmod(file.stat().st_mode)
        beside.replace(file)
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidSetting(f"cannot write {file}: {error}", field="--file") from error


def _refused(error: InvalidSetting) -> typer.Exit:
    told = str(error).removeprefix(f"{FIELD}: ")
    Console(stderr=True).print(told, style="red", markup=False, highlight=False, soft_wrap=True)
    return typer.Exit(2)
