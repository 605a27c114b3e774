"""``penchant train``: models that are learnt from a log."""

import typer

from penchant_cli.train_encoder_command import train_encoder
from penchant_cli.train_sequence_command import train_sequence
from penchant_cli.train_together_command import train_together

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
app.command("encoder")(train_encoder)
app.command("sequence")(train_sequence)
app.command("together")(train_together)


@app.callback()
def _group() -> None:
    """Learn models from a log: used where they win on users that they did not learn from."""
