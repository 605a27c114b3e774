"""``python -m tests.conformance``: every client against every case, as a table."""

import argparse
import sys
import tempfile
from pathlib import Path

from penchant_bench.neighbours.drivers import Failed, Language, languages, told
from rich.console import Console
from rich.table import Table

from tests.conformance.player import cases, play


def main() -> int:
    """Play, print, and return 1 where something failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("language", nargs="*", help="only these clients")
    parser.add_argument("--case", action="append", help="only these cases")
    wanted = parser.parse_args()
    chosen = [one for one in languages() if not wanted.language or one.name in wanted.language]
    played = [case for case in cases() if not wanted.case or case["name"] in wanted.case]
    outcomes: dict[tuple[str, str], str] = {}
    console = Console(stderr=True)
    with tempfile.TemporaryDirectory() as folder:
        for language in chosen:
            if language.missing:
                console.print(f"{language.name}: skipped, without {', '.join(language.missing)}")
                continue
            console.print(f"{language.name}: building")
            told(language.build, language, Path(folder))
            for case in played:
                outcome = _played(language, case, Path(folder))
                outcomes[language.name, case["name"]] = outcome
                console.print(f"{language.name}: {case['name']}: {outcome or 'as it should be'}", markup=False)
    names = [one.name for one in chosen if not one.missing]
    table = Table("case", *names, title="conformance")
    for case in played:
        table.add_row(
            case["name"], *("[green]✓[/]" if not outcomes[name, case["name"]] else "[red]✗[/]" for name in names)
        )
    Console().print(table)
    return 1 if any(outcomes.values()) else 0


def _played(language: Language, case: dict[str, object], out: Path) -> str:
    """Return why a case failed; empty: it did not."""
    with tempfile.TemporaryDirectory() as data:
        try:
            play(case, language, out, Path(data))
        except Failed as error:
            return str(error)
    return ""


if __name__ == "__main__":
    sys.exit(main())
