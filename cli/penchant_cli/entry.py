"""Entry point of ``penchant``. The bare install is the client library; the command line says what it wants more."""

import os
import sys


def main() -> None:
    """Run the command line."""
    # Nothing here forks while it talks, and gRPC would say so on the terminal each time a command starts a service.
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
    try:
        from penchant_cli.app import app  # noqa: PLC0415 the bare install has no typer
    except ModuleNotFoundError as error:
        sys.exit(
            f"penchant: the command line needs {error.name}; run: pip install 'penchant[cli]' to talk to a service, "
            "pip install 'penchant[server]' to run one"
        )
    app()


if __name__ == "__main__":
    main()
