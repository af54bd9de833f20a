"""The picture of `threads-ml bench bulk-growth`."""

from collections.abc import Iterable
from typing import Any

from scripts.bench.svg_panels import aim, frame, line, panel_of, picture

_MB = 1e6


def bulk_plot(figures: dict[str, Any]) -> str:
    """The SVG for the document of `threads-ml bench bulk-growth --json`."""
    return picture("Users a second and memory of a bulk generation by number of users", [
        *_speeds(figures), *_memories(figures)
    ])  # fmt: skip


def _speeds(figures: dict[str, Any]) -> Iterable[str]:
    sizes = figures["sizes"]
    whole = [(size["users"], size["users_per_s"]) for size in sizes]
    kernel = [(size["users"], size["engine_users_per_s"]) for size in sizes]
    wanted = figures["target_users_per_s"]
    values = [0, wanted, *(value for _, value in [*whole, *kernel])]
    panel = panel_of(0, [size["users"] for size in sizes], values)
    yield from frame(panel, "Users a second", "{:,g}".format)
    yield from aim(panel, wanted, f"aim {wanted:,}")
    yield from line(panel, "first", kernel, "kernel alone")
    yield from line(panel, "second", whole, "whole run")


def _memories(figures: dict[str, Any]) -> Iterable[str]:
    sizes = figures["sizes"]
    held = {
        kind: [(size["users"], size["memory"][kind]["most_afterwards"] / _MB) for size in sizes]
        for kind in ("worker", "command")
    }
    panel = panel_of(
        1, [size["users"] for size in sizes], [0, *(value for points in held.values() for _, value in points)]
    )
    yield from frame(panel, "Resident memory at the most, MB", "{:,g}".format)
    for style, (kind, points) in zip(("first", "second"), held.items(), strict=True):
        yield from line(panel, style, points, kind)
