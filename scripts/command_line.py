"""Write the option tables of docs/command-line.md, from the table of tasks.

    python scripts/command_line.py [--check]

With `--check` nothing is written; the exit status is 1 where the file is not what it should be.
"""

from __future__ import annotations

import argparse
import inspect
import sys
from pathlib import Path
from typing import get_args

from cleanplate import tasks
from cleanplate.cli import cleaning
from cleanplate.cli.options import flag_of, help_of

PAGE = Path(__file__).parents[1] / "docs" / "command-line.md"
OF_MARKS = ("list_marks", "remove_repeated")  # of verbs whose `TaskInfo.marks` says so
BEGIN, END = "<!-- options: scripts/command_line.py -->", "<!-- end of options -->"


def main() -> int:
    """Write the tables between their marks, or say whether they are right."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    check = parser.parse_args().check
    page = PAGE.read_text(encoding="utf-8")
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    wanted = f"{before}{BEGIN}\n\n{tables()}\n{END}{after}"
    if check:
        if page != wanted:
            print(f"{PAGE} is behind the table of tasks: python scripts/command_line.py")
        return int(page != wanted)
    PAGE.write_text(wanted, encoding="utf-8")
    return 0


def tables() -> str:
    """Return the options that all verbs share, and those of each, in Markdown."""
    common = [*inspect.signature(cleaning.clean, eval_str=True).parameters.values()]
    some = [one for one in common if one.name in OF_MARKS]
    rows = [shared(one) for one in common if one.name not in ("info", "paths", "own", *OF_MARKS)]
    parts = [table("option of every verb", rows)]
    for info in map(tasks.info, tasks.names()):
        parts.append(f"`cleanplate {info.name}`: {info.summary} {takes(info)}\n")
        rows = [own(option) for option in info.options]
        rows += [shared(one) for one in some if info.marks]
        if rows:
            parts.append(table("option", rows))
    return "\n".join(parts)


def takes(info: tasks.TaskInfo) -> str:
    """Say in words what the verb takes beside its options."""
    mask = {"none": "no `--mask`", "optional": "`--mask` if you like", "required": "with `--mask`"}
    words = [mask[info.mask]]
    if info.whole:
        words.append("no `--mask-out`")
    if not info.documents:
        words.append("no documents, and none of their options")
    words.append(f"roles of `--model`: {', '.join(info.roles)}" if info.roles else "no `--model`")
    return f"({'; '.join(words)}.)"


def table(title: str, rows: list[str]) -> str:
    """Return a table in Markdown."""
    return "\n".join([f"| {title} | |", "|---|---|", *rows, ""])


def shared(parameter: inspect.Parameter) -> str:
    """Return the row of an option that all verbs have."""
    kind, said = get_args(parameter.annotation)
    flags = [f"--{parameter.name.replace('_', '-')}"]
    flags += [one for one in said.param_decls or () if one not in flags]
    value = said.metavar or {bool: "", int: "N"}.get(kind, "NAME")
    default = parameter.default
    shown = "" if default in (None, False) else f" [default: {default}]"
    return row(flags, value, f"{said.help}{shown}")


def own(option: tasks.Option) -> str:
    """Return the row of an option of a task's own."""
    value = {"number": "NUMBER", "flag": "", "text": "TEXT", "path": "PATH"}.get(option.kind)
    if option.between:
        value = "{:g} to {:g}".format(*option.between)
    if option.kind in ("choice", "list"):
        several = ",..." if option.kind == "list" else ""
        value = f"{' or '.join(option.choices) or 'TEXT'}{several}"
    return row([flag_of(option)], value or "", help_of(option))


def row(flags: list[str], value: str, words: str) -> str:
    """Return the row of an option."""
    shown = " ".join([", ".join(f"`{flag}`" for flag in flags), *([value] if value else [])])
    return f"| {shown} | {words} |".replace("[ROLE", "\\[ROLE")


if __name__ == "__main__":
    sys.exit(main())
