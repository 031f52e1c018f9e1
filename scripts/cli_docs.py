"""Write `docs/cli.md` from what the commands say of themselves with `--help`.

    python scripts/cli_docs.py            write it
    python scripts/cli_docs.py --check    exit with 1 if it says something else than the commands do

Checking compares words and not layout, which is the help formatter's to change.
"""

import argparse
import io
import os
import re
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import jurist.errors
from jurist import cli
from jurist.errors import JuristError

PAGE = Path(__file__).parent.parent / "docs" / "cli.md"
NUM_COLUMNS = 100

OPENING = """\
# Command line

This page is written by `scripts/cli_docs.py` from the commands themselves; a test holds it to what
they say. Flags come from the config of each recipe, which a run saves as `config.json`.

A command that was interrupted or killed goes on when it is run again, and one that has finished
does nothing.

## Exit codes

| code | meaning |
|---|---|
"""

OTHER_CODES = (
    (0, "done"),
    (1, "stopped by a check that the run was asked to make, or by training itself"),
    (130, "interrupted; the same command goes on"),
    (143, "terminated; the same command goes on"),
)


def main() -> None:
    """Write the page, or check it."""
    parser = argparse.ArgumentParser(description="Write docs/cli.md from the commands' --help.")
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    checking = parser.parse_args().check
    page = written()
    if not checking:
        PAGE.write_text(page, encoding="utf-8")
        return
    there = words(PAGE.read_text("utf-8")) if PAGE.exists() else []
    if there != words(page):
        print(
            f"{PAGE.name} does not say what the commands say: {difference(there, words(page))}; "
            f"run python scripts/cli_docs.py",
            file=sys.stderr,
        )
        sys.exit(1)


def written() -> str:
    """The page, with the help of every command."""
    rows = sorted((*OTHER_CODES, *error_codes()))
    codes = "".join(f"| {code} | {meaning} |\n" for code, meaning in rows)
    os.environ |= {"COLUMNS": str(NUM_COLUMNS), "NO_COLOR": "1", "TERM": "dumb"}
    commands = [("jurist", []), *((f"jurist {name}", [name]) for name in cli.COMMANDS)]
    helps = (
        f"\n## {title}\n\n```text\n{help_of(*arguments)}\n```\n" for title, arguments in commands
    )
    return OPENING + codes + "".join(helps)


def error_codes() -> list[tuple[int, str]]:
    """Exit codes of the errors, and the first line of what each error says of itself."""
    errors = [
        error
        for error in vars(jurist.errors).values()
        if isinstance(error, type) and issubclass(error, JuristError)
    ]
    return [
        (error.exit_code, f"`{error.__name__}`: {first_line(error)}")
        for error in errors
        if error.exit_code != JuristError.exit_code
    ]


def first_line(error: type[JuristError]) -> str:
    """The first line of an error's docstring, as part of a sentence."""
    line = (error.__doc__ or "").strip().partition("\n")[0].rstrip(".")
    return line[:1].lower() + line[1:]


def help_of(*arguments: str) -> str:
    """What a command prints with `--help`, on no terminal.

    Raises:
        RuntimeError: If it fails.
    """
    # Lines are drawn as what is written to can take them.
    said, complaint = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
    with redirect_stdout(said), redirect_stderr(complaint):
        sys.argv = ["jurist", *arguments, "--help"]
        try:
            cli.main()
        except SystemExit as end:
            if end.code:
                told = content(complaint)
                raise RuntimeError(f"jurist {' '.join(arguments)} --help failed:\n{told}") from None
    return "\n".join(line.rstrip() for line in content(said).strip().splitlines())


def content(written: io.TextIOWrapper) -> str:
    """What was written."""
    written.seek(0)
    return written.read()


def words(page: str) -> list[str]:
    """The words of a page, without the lines and corners that are drawn around them."""
    return re.sub(r"[\u2500-\u257f\s]+", " ", page).split()


def difference(there: list[str], wanted: list[str]) -> str:
    """Where two lists of words part."""
    pairs = enumerate(zip(there, wanted, strict=False))
    at = next((i for i, (a, b) in pairs if a != b), min(len(there), len(wanted)))
    start = max(0, at - 3)
    return (
        f"after {' '.join(wanted[start:at])!r} it says {' '.join(there[at : at + 5])!r}, "
        f"they say {' '.join(wanted[at : at + 5])!r}"
    )


if __name__ == "__main__":
    main()
