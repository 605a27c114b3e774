"""``penchant up``: the whole service in one process."""

from pathlib import Path
from typing import Annotated

import typer

from penchant_cli.telling import told_in_a_sentence


def up_command(
    listen: Annotated[str | None, typer.Option(help="Address to serve on; port 0 takes a free one.")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Directory of the store, made on first use.")] = None,
    encoder: Annotated[
        str | None, typer.Option(help="Model that reads texts: builtin: or hf:NAME_OR_PATH (extra penchant\\[torch]).")
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log more.")] = False,
) -> None:
    """Run the service: gRPC server, embedded store and encoder in one process.

    Everything else is a setting; see `penchant config`. Stop it with Ctrl-C: what was acknowledged is kept.
    """
    from penchant_adapters.process import run  # noqa: PLC0415
    from penchant_adapters.settings import Settings  # noqa: PLC0415
    from penchant_adapters.telemetry.logs import configured  # noqa: PLC0415
    from penchant_server.app import serve  # noqa: PLC0415 the server is slow to import and not always installed

    with told_in_a_sentence():
        settings = Settings.read(listen=listen, data_dir=data_dir, encoder=encoder)
        telemetry = settings.telemetry.model_copy(update={"log_level": "debug"}) if verbose else settings.telemetry
        # Whoever starts it from a script reads the address from its lines, as a person does.
        configured(telemetry, piped="console")
        run(serve(settings))
