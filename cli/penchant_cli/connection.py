"""How the command line reaches a service: options and variables of every command that talks to one."""

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import penchant
import typer
from penchant.channel import DEFAULT_TARGET
from rich.console import Console

from penchant_cli.options import with_options

_PANEL = "Connection"

Target = Annotated[
    str,
    typer.Option(
        envvar="PENCHANT_TARGET",
        help="Where the service answers: host:port.",
        show_default=True,
        rich_help_panel=_PANEL,
    ),
]
ApiKey = Annotated[
    str,
    typer.Option(
        envvar="PENCHANT_API_KEY",
        help="Key of the service; others on this machine can read it here, and cannot in the variable.",
        show_default=False,
        rich_help_panel=_PANEL,
    ),
]
Encrypted = Annotated[
    bool, typer.Option("--tls", envvar="PENCHANT_CLIENT_TLS", help="Encrypt the connection.", rich_help_panel=_PANEL)
]
Ca = Annotated[
    Path | None,
    typer.Option(
        "--ca",
        envvar="PENCHANT_CLIENT_CA",
        help="Certificates to trust; with TLS.",
        rich_help_panel=_PANEL,
        exists=True,
        dir_okay=False,
    ),
]
Cert = Annotated[
    Path | None,
    typer.Option(
        "--cert",
        envvar="PENCHANT_CLIENT_CERT",
        help="Own certificate; with TLS.",
        rich_help_panel=_PANEL,
        exists=True,
        dir_okay=False,
    ),
]
CertKey = Annotated[
    Path | None,
    typer.Option(
        "--key",
        envvar="PENCHANT_CLIENT_KEY",
        help="Key of the own certificate.",
        rich_help_panel=_PANEL,
        exists=True,
        dir_okay=False,
    ),
]


def tls_of(tls: bool, ca: Path | None, cert: Path | None, key: Path | None) -> bool | penchant.Tls:
    """Return what the client is told of TLS: naming a certificate turns it on."""
    try:
        return penchant.Tls(ca, cert=cert, key=key) if ca or cert or key else tls
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def client_of(
    target: Target = DEFAULT_TARGET,
    api_key: ApiKey = "",
    tls: Encrypted = False,
    ca: Ca = None,
    cert: Cert = None,
    key: CertKey = None,
) -> penchant.Client:
    """Return a client for what was said on the command line."""
    try:
        return penchant.Client(target, tls=tls_of(tls, ca, cert, key), api_key=api_key)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def connected(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of the connection, and the client that it takes first."""
    return with_options(client_of, command)


def told(command: Any) -> Any:
    """Let errors of the service leave as one line and code 1."""

    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except penchant.Unavailable as error:
            target = kwargs["target"]
            Console(stderr=True).print(
                f"[red]No service answers at {target}.[/] Start one with: penchant up", highlight=False
            )
            raise typer.Exit(3) from error
        except penchant.PenchantError as error:
            Console(stderr=True).print(f"[red]{error}[/]", highlight=False)
            raise typer.Exit(1) from error

    return run
