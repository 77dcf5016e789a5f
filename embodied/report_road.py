"""Episodes in closed loop on a road -> a report: rates with 95 % intervals, as JSON, Markdown and one HTML page with films of
failures.

An episode is a dict: task, episode, goal, success, end, progress (share of the route), collision, way_m, off_s, out_s, drive_s
and, where it was filmed, video.
"""

from __future__ import annotations

import html
import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from embodied.report import STYLE, percent, strict, wilson

Episode = Mapping[str, Any]
HEAD = ("instruction", "n", "succeeded", "95 % interval", "route completed", "collisions", "left the road", "collisions / km",
        "off the road, s / h", "beside the lane, % of time", "m/s")  # fmt: skip


def _row(episodes: Sequence[Episode]) -> dict[str, Any]:
    n, won = len(episodes), sum(bool(e["success"]) for e in episodes)
    low, high = wilson(won, n)
    total = lambda key: sum(float(e[key]) for e in episodes)  # noqa: E731
    hours, way_km = total("drive_s") / 3600, total("way_m") / 1000
    collisions, off = (sum(e["end"] == end for e in episodes) for end in ("collision", "off the road"))
    return {
        "n": n,
        "success": won / n if n else math.nan,
        "low": low,
        "high": high,
        "progress": total("progress") / max(n, 1),
        "collisions": collisions,
        "left_the_road": off,
        "collisions_per_km": collisions / way_km if way_km else math.nan,
        "off_s_per_h": total("off_s") / hours if hours else math.nan,
        "beside": total("out_s") / total("drive_s") if hours else math.nan,
        "mean_mps": total("way_m") / total("drive_s") if hours else math.nan,
    }


def summary(episodes: Sequence[Episode], **about: Any) -> dict[str, Any]:
    """about: suite, policy, weights, seed. all: over every episode; safe: without collision or leaving the road."""
    names = list(dict.fromkeys(str(e["task"]) for e in episodes))
    safe = sum(e["end"] not in ("collision", "off the road") for e in episodes)
    return {
        "about": about,
        "all": _row(episodes),
        "safe": {"n": safe, "rate": safe / max(1, len(episodes)), "interval": wilson(safe, len(episodes))},
        "tasks": {name: _row([e for e in episodes if e["task"] == name]) for name in names},
        "ends": dict(Counter(str(e["end"]) for e in episodes).most_common()),
    }


def _cells(name: str, row: Mapping[str, Any]) -> list[str]:
    spread = f"{percent(row['low'])} - {percent(row['high'])}"
    number = lambda key, form: "-" if not math.isfinite(row[key]) else format(row[key], form)  # noqa: E731
    counts = [str(row["collisions"]), str(row["left_the_road"])]
    rates = [
        number("collisions_per_km", ".2f"),
        number("off_s_per_h", ".1f"),
        percent(row["beside"]),
        number("mean_mps", ".1f"),
    ]
    return [name, str(row["n"]), percent(row["success"]), spread, percent(row["progress"]), *counts, *rates]


def _table(report: Mapping[str, Any]) -> list[list[str]]:
    return [*(_cells(name, row) for name, row in report["tasks"].items()), _cells("all", report["all"])]


def _said(report: Mapping[str, Any]) -> list[str]:
    safe = report["safe"]
    spread = " - ".join(percent(one) for one in safe["interval"])
    return [
        ", ".join(f"{key}: {value}" for key, value in report["about"].items() if value not in ("", None)),
        f"{safe['n']} of {report['all']['n']} routes without collision or leaving the road: {percent(safe['rate'])} ({spread})",
        f"how episodes ended: {', '.join(f'{end} {n}' for end, n in report['ends'].items())}",
    ]


def markdown(report: Mapping[str, Any]) -> str:
    lines = [f"# {report['about'].get('suite', 'road')}: {percent(report['all']['success'])} succeeded", ""]
    lines += [*(f"- {line}" for line in _said(report)), "", f"| {' | '.join(HEAD)} |", "|" + " --- |" * len(HEAD)]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in _table(report))]) + "\n"


def page(report: Mapping[str, Any], episodes: Sequence[Episode]) -> str:
    """One HTML page; the films are files beside it."""
    cell = lambda tag, row: "".join(f"<{tag}>{html.escape(c)}</{tag}>" for c in row)  # noqa: E731
    body = "".join(f"<tr>{cell('td', row)}</tr>" for row in _table(report))
    films = "".join(
        f"<figure><video controls preload=none src='{html.escape(str(e['video']))}'></video><figcaption>"
        f"{html.escape(str(e['task']))} #{e['episode']}: {html.escape(str(e['goal']))} <b>{html.escape(str(e['end']))}</b>"
        "</figcaption></figure>"
        for e in episodes
        if e.get("video")
    )
    title = html.escape(f"{report['about'].get('suite', 'road')}: {percent(report['all']['success'])} succeeded")
    said = "".join(f"<li>{html.escape(line)}</li>" for line in _said(report))
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title><style>{STYLE}</style><h1>{title}</h1>"
        f"<ul>{said}</ul><table><tr>{cell('th', HEAD)}</tr>{body}</table>"
        f"<h2>Failures</h2>{films or '<p>none filmed</p>'}</html>\n"
    )


def write(folder: Path, report: Mapping[str, Any], episodes: Sequence[Episode]) -> None:
    """report.json, report.md and report.html in `folder`."""
    (folder / "report.json").write_text(json.dumps(strict(dict(report)), indent=2) + "\n", encoding="utf-8")
    (folder / "report.md").write_text(markdown(report), encoding="utf-8")
    (folder / "report.html").write_text(page(report, episodes), encoding="utf-8")
