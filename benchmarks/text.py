"""The outcome as plain text, and as RST for the documentation."""

from __future__ import annotations

from benchmarks.chart import Bar, Panel
from benchmarks.report import LEGEND, RATIO_LEGEND, Outcome, rows_of, table


def legend(outcome: Outcome) -> str:
    """Say what the numbers are."""
    return f"{LEGEND} {RATIO_LEGEND}" if len(outcome.sides) > 1 else LEGEND


def conditions(outcome: Outcome) -> list[str]:
    """Say what was run, and on what."""
    machine, options = outcome.facts["machine"], outcome.options
    versions = [
        f"{side}: " + ", ".join(f"{name} {version}" for name, version in found.items())
        for side, found in outcome.facts["sides"].items()
    ]
    return [
        f"{machine['system']}, {machine['processors']} processors; {options.workers} workers; "
        f"{options.repetitions} repetitions",
        *(line.replace("queue ", "") for line in versions),
    ]


def plain(outcome: Outcome) -> str:
    """Write the tables as text."""
    parts = ["\n".join(conditions(outcome)), legend(outcome)]
    for measure in outcome.measures:
        parts.append(f"{measure.title}\n{aligned(table(outcome, measure))}")
    return "\n\n".join([*parts, *map(shortened, outcome.errors)])


def shortened(error: str) -> str:
    """Keep the first line of an error, which names the case, and the last, which says why."""
    first, *rest = error.splitlines()
    return f"{first} {rest[-1]}" if rest else first


def aligned(lines: list[list[str]]) -> str:
    """Align columns."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def rst(outcome: Outcome, picture: str) -> str:
    """Write the tables for the documentation, with the chart and the command before them."""
    command = outcome.facts["command"]
    parts = [
        f".. Made by: {command}",
        f".. raw:: html\n   :file: {picture}",
        f"::\n\n   {command}",
        "\n".join(f"| {line}" for line in conditions(outcome)),
        legend(outcome),
    ]
    for measure in outcome.measures:
        parts += [f".. rubric:: {measure.title}", list_table(table(outcome, measure))]
    return "\n\n".join(parts) + "\n"


def list_table(lines: list[list[str]]) -> str:
    """Write a table as a directive."""
    rows = ["   * - " + "\n     - ".join(line) for line in lines]
    text = "\n".join([".. list-table::", "   :header-rows: 1", "", *rows])
    return "\n".join(line.rstrip() for line in text.splitlines())


def panels(outcome: Outcome) -> list[Panel]:
    """Choose what the chart shows: of each measure one number, of each side."""
    found = []
    for measure in outcome.measures:
        bars = [
            Bar(row.case, row.side, row.medians[measure.charted_column])
            for row in rows_of(outcome, measure)
            if not row.is_ratio and measure.charted_column in row.medians
        ]
        if bars:
            found.append(Panel(f"{measure.title}, {measure.charted_column}", bars))
    return found
