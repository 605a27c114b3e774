"""``penchant tune``: finds the settings of the score that suit a log, and writes them as a profile."""

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from penchant_core.errors import InvalidSetting
from rich.console import Console
from rich.table import Table
from rich.text import Text

from penchant_cli.learning import (
    bars_on,
    chosen_log,
    encoded,
    ending_in_words,
    judged_table,
    settings_of,
    write_figures,
)
from penchant_cli.own_log_options import (
    Encoder,
    OwnLog,
    reading_log,
    tell,
    writable,
)

if TYPE_CHECKING:
    from penchant_relevance.log import Log
    from penchant_relevance.tune import Search, Tuned

_BUDGET, _OUT = "Budget", "Results"


@reading_log
def tune_command(
    own: OwnLog,
    name: Annotated[str, typer.Argument(help="A public data set, instead of files.", show_default=False)] = "",
    encoder: Encoder = "builtin:",
    trials: Annotated[int, typer.Option(min=1, help="Settings tried at most.", rich_help_panel=_BUDGET)] = 120,
    patience: Annotated[
        int, typer.Option(min=1, help="Trials without a gain that end the search.", rich_help_panel=_BUDGET)
    ] = 48,
    minutes: Annotated[
        float | None, typer.Option(min=0.0, help="Minutes after which it ends.", rich_help_panel=_BUDGET)
    ] = None,
    most: Annotated[
        int, typer.Option("--asks", min=50, help="Asks; of more, every n-th is asked.", rich_help_panel=_BUDGET)
    ] = 2_000,
    seed: Annotated[int, typer.Option(help="Draws the same trials again.", rich_help_panel=_BUDGET)] = 20_260_101,
    counts: Annotated[
        bool,
        typer.Option("--counts", help="Also how pairs are counted: settings, not a profile; they need a rebuild."),
    ] = False,
    profile: Annotated[
        Path | None,
        typer.Option(help="Profile to write, for example profiles/spring.toml.", rich_help_panel=_OUT),
    ] = None,
    json: Annotated[Path | None, typer.Option(help="File to write the figures to.", rich_help_panel=_OUT)] = None,
    data: Annotated[Path | None, typer.Option(help="Folder that holds the public sets.")] = None,
) -> None:
    """Find the settings of the score that suit a log, and tell what each of them is worth.

    penchant tune --items items.csv --events purchases.csv --type purchase --profile profiles/spring.toml

    Half of the users are searched on, the other half judges. A running service that has `profiles` set takes the file
    over within a second; a request picks it by name. Where nothing is better than the settings there are, it says so
    and writes nothing.
    """
    from penchant_relevance.tune import Budget, Search  # noqa: PLC0415 the command line starts without it

    console = Console(stderr=True)
    with ending_in_words("Stopped. Nothing was written."):
        _check_name(profile)
        writable(json=json, profile=profile)
        log, plan = chosen_log(name, data, most, own)
        budget = Budget(trials, minutes, patience, seed)
        content, tuning, model = encoded(console, log, encoder)
        search = Search(log, content, tuning, plan, budget, counts)
        found = _searched(console, search)
        Console().print(_table(found, log, search))
        if json is not None:
            settings = settings_of(log, model, tuning) | {"budget": asdict(budget)}
            write_figures(json, "tune", settings, found.figures())
        _finish(found, search, profile)


def _check_name(profile: Path | None) -> None:
    from penchant_core.profiles import Profile  # noqa: PLC0415
    from penchant_core.tuning import Scoring, Weights  # noqa: PLC0415

    if profile is None:
        return
    if profile.suffix != ".toml":
        raise InvalidSetting(f"{profile} must end in .toml; its name is what requests say", field="profile")
    # It is the profile that knows which names it may have; better told now than after the search.
    Profile(profile.stem, "unwritten", Scoring(), Weights())


def _searched(console: Console, search: "Search") -> "Tuned":
    with bars_on(console) as shown:
        task = shown.add_task("trying", total=search.budget.trials)

        def told(done: int, total: int, default: float, best: float) -> None:
            said = f"trying: default {default:.4f}, best {best:.4f}"
            shown.update(task, completed=done, total=total, description=said)

        return search.run(told)


def _table(found: "Tuned", log: "Log", search: "Search") -> Table:
    searched, judged = found.halves
    title = f"{log.name}: {found.trials} trials on {searched:,} asks of the validation window, judged on {judged:,}"
    rows = (("settings there are", found.default), ("tuned", found.tuned))
    table = judged_table(title, found.measure, rows, found.lead)
    for group, worth in sorted(found.ablation.items(), key=lambda pair: -pair[1]):
        table.add_row(Text(f"  of it {group}: {_changed(found, search, group)}"), f"{worth:+.4f}")
    return table


def _changed(found: "Tuned", search: "Search", group: str) -> str:
    from penchant_relevance.space import GROUPS  # noqa: PLC0415

    if group == "event weights":
        by_type, before = found.best.weights.by_type, search.default.weights.by_type
        return ", ".join(f"{one} {by_type[one]:.2g}" for one in by_type if by_type[one] != before[one])
    before_and_after = (
        (search.default.covisitation, found.best.covisitation)
        if group == "counting"
        else (search.default.scoring, found.best.scoring)
    )
    names = GROUPS[group] or tuple(found.best.covisitation.__dataclass_fields__)
    old, new = before_and_after
    told = ((name, getattr(new, name)) for name in names if getattr(new, name) != getattr(old, name))
    return ", ".join(f"{name} {'none' if value is None else format(value, '.3g')}" for name, value in told)


def _finish(found: "Tuned", search: "Search", profile: Path | None) -> None:
    from penchant_adapters.profiles import write_profile  # noqa: PLC0415
    from penchant_core.profiles import Profile  # noqa: PLC0415

    if not found.better:
        tell("On users it was not chosen by, nothing found is better: the settings stay as they are.")
        return
    if not found.clear:
        tell("The lead may be chance: its interval holds 0. More asks (--asks) would tell.")
    if search.counts and found.best.covisitation != search.default.covisitation:
        told = _changed(found, search, "counting")
        tell(f"How pairs are counted is a setting, covisitation: {told}. It needs the counts anew.")
    if profile is None:
        tell("To use it: the same with --profile profiles/NAME.toml")
        return
    moment = datetime.now(UTC)
    version = moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    about = {
        "measure": found.measure,
        "before": found.default,
        "tuned": found.tuned,
        "lead_low": found.lead["low"],
        "lead_high": found.lead["high"],
        "trials": found.trials,
        "asks": found.halves[1],
    }
    made = Profile(profile.stem, version, found.best.scoring, found.best.weights)
    path = write_profile(profile.parent, made, about)
    tell(f"Profile: {path}, version {version}")
