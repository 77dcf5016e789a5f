"""Episodes -> a report: rates with intervals as report.json, report.md and a self-contained report.html.

An episode is a dict: task, episode, success, and where known plan_right, replans, steps, verdicts [[p, truth], ...],
time_s (wall), episode_s (the body's time), plan_s [..] (wall, one per plan), end (why it ended), video (file name).
"""

from __future__ import annotations

import base64
import html
import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

Z95 = 1.959963984540054  # two-sided 95 % quantile of the normal distribution
Episode = Mapping[str, Any]


def wilson(successes: int, n: int) -> tuple[float, float]:
    """95 % interval of a rate (Wilson 1927, the score interval), in [0, 1]; (0, 1) when n is 0."""
    if n == 0:
        return 0.0, 1.0
    rate, z2 = successes / n, Z95**2
    centre = (rate + z2 / (2 * n)) / (1 + z2 / n)
    half = Z95 / (1 + z2 / n) * math.sqrt(rate * (1 - rate) / n + z2 / (4 * n * n))
    # 0 of n and n of n reach the ends exactly; floating point would miss them by 1e-17
    return (0.0 if successes == 0 else centre - half), (1.0 if successes == n else centre + half)


def f1(verdicts: Iterable[Sequence[float]], threshold: float = 0.5) -> dict[str, float | int]:
    """Verdicts [(probability, truth)] -> counts and F1 of "succeeded", also with both classes weighing the same."""
    pairs = [(p >= threshold, bool(truth)) for p, truth in verdicts]
    tp = sum(said and true for said, true in pairs)
    fp = sum(said and not true for said, true in pairs)
    fn = sum(not said and true for said, true in pairs)
    positives, negatives = tp + fn, len(pairs) - tp - fn
    out: dict[str, float | int] = {"n": len(pairs), "positives": positives, "tp": tp, "fp": fp, "fn": fn}
    out["f1"] = 2 * tp / (2 * tp + fp + fn) if pairs and 2 * tp + fp + fn else math.nan
    if positives and negatives:
        hit, alarm = tp / positives, fp / negatives
        out["f1_balanced"] = 2 * hit / (hit + alarm + 1)
    else:
        out["f1_balanced"] = math.nan
    return out


def _mean(values: Iterable[float]) -> float:
    kept = list(values)
    return sum(kept) / len(kept) if kept else math.nan


def _row(episodes: Sequence[Episode]) -> dict[str, Any]:
    n, won = len(episodes), sum(bool(e["success"]) for e in episodes)
    low, high = wilson(won, n)
    return {
        "n": n,
        "success": won / n if n else math.nan,
        "low": low,
        "high": high,
        "plan_accuracy": _mean(float(e["plan_right"]) for e in episodes if e.get("plan_right") is not None),
        "replans": _mean(float(e.get("replans", 0)) for e in episodes),
        "verdict": f1(v for e in episodes for v in e.get("verdicts", ())),
        "time_s": _mean(float(e.get("time_s", math.nan)) for e in episodes),
        "episode_s": _mean(float(e.get("episode_s", math.nan)) for e in episodes),
        "plan_s": median([p for e in episodes for p in e.get("plan_s", ())] or [math.nan]),
    }


def summary(episodes: Sequence[Episode], **about: Any) -> dict[str, Any]:
    """The report as a dict: `about` (suite, mode, split, seed, ...), mean and worst over tasks, one row a task."""
    names = list(dict.fromkeys(str(e["task"]) for e in episodes))
    tasks = {name: _row([e for e in episodes if e["task"] == name]) for name in names}
    rates = [row["success"] for row in tasks.values()]
    together = _row(episodes)
    return {
        **about,
        "episodes": len(episodes),
        "mean": _mean(rates),
        "worst": min(rates, default=math.nan),
        "worst_task": min(tasks, key=lambda name: tasks[name]["success"], default=""),
        **{key: together[key] for key in ("low", "high", "plan_accuracy", "replans", "verdict", "time_s", "plan_s")},
        "tasks": tasks,
        "ends": {
            end: sum(e.get("end") == end for e in episodes) for end in sorted({str(e.get("end")) for e in episodes})
        },
    }


def strict(value: Any) -> Any:
    """NaN has no place in JSON: it becomes null."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {k: strict(v) for k, v in value.items()}
    return [strict(v) for v in value] if isinstance(value, (list, tuple)) else value


def percent(value: float | None) -> str:
    return "-" if value is None or not math.isfinite(value) else f"{100 * value:.1f} %"


def _cells(row: Mapping[str, Any]) -> list[str]:
    number = lambda v, form: "-" if v is None or not math.isfinite(v) else format(v, form)  # noqa: E731
    return [
        str(row.get("n", row.get("episodes"))),
        percent(row.get("success", row.get("mean"))),
        f"{percent(row['low'])} - {percent(row['high'])}",
        percent(row["plan_accuracy"]),
        number(row["replans"], ".2f"),
        number(row["verdict"]["f1"], ".3f"),
        number(row["time_s"], ".1f"),
    ]


HEAD = ("task", "n", "success", "95 % interval", "plan right", "replans", "verdict F1", "s / episode")


def _table(report: Mapping[str, Any]) -> list[list[str]]:
    rows = [[name, *_cells(row)] for name, row in report["tasks"].items()]
    return [*rows, ["mean", *_cells(report)]]


def _about(report: Mapping[str, Any]) -> str:
    kept = [(k, v) for k, v in report.items() if isinstance(v, (str, int, float, bool)) and k not in _FIGURES]
    return " · ".join(f"{k} {v}" for k, v in kept if v != "")


_FIGURES = {"mean", "worst", "low", "high", "plan_accuracy", "replans", "time_s", "plan_s", "worst_task"}


def markdown(report: Mapping[str, Any]) -> str:
    lines = [f"# {report.get('suite', 'evaluation')}: {percent(report['mean'])} mean, {percent(report['worst'])} worst"]
    lines += ["", _about(report), "", f"| {' | '.join(HEAD)} |", "|" + " --- |" * len(HEAD)]
    lines += [f"| {' | '.join(row)} |" for row in _table(report)]
    lines += ["", f"How episodes ended: {', '.join(f'{k} {v}' for k, v in report['ends'].items())}."]
    return "\n".join(lines) + "\n"


def _plot(report: Mapping[str, Any]) -> str:
    """Success with intervals and verdict probabilities as one inline PNG."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib.figure import Figure

    names = list(report["tasks"])[::-1]
    rows = [report["tasks"][name] for name in names]
    figure = Figure(figsize=(9, 0.36 * len(names) + 1.2), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(3, 1))
    spread = [[r["success"] - r["low"] for r in rows], [r["high"] - r["success"] for r in rows]]
    left.barh(names, [r["success"] for r in rows], xerr=spread, color="#5b8db8", ecolor="#333333", capsize=3)
    left.set(xlim=(0, 1.02), xlabel="success, 95 % interval")
    right.barh(names, [r["replans"] for r in rows], color="#c98b4b")
    right.set(xlabel="replans an episode")
    page = io.BytesIO()
    figure.savefig(page, format="png", dpi=110)
    return base64.b64encode(page.getvalue()).decode()


STYLE = """body{font:15px/1.5 system-ui,sans-serif;max-width:64rem;margin:2rem auto;padding:0 1rem;color:#222}
table{border-collapse:collapse}td,th{padding:.25rem .7rem;border-bottom:1px solid #ddd;text-align:right}
td:first-child,th:first-child{text-align:left}tr:last-child{font-weight:600}img{max-width:100%}
figure{display:inline-block;margin:.5rem;width:18rem;vertical-align:top}video{width:100%}figcaption{font-size:13px}"""


def page(report: Mapping[str, Any], episodes: Sequence[Episode]) -> str:
    """One HTML page; the videos are files beside it."""
    cell = lambda tag, row: "".join(f"<{tag}>{html.escape(c)}</{tag}>" for c in row)  # noqa: E731
    body = "".join(f"<tr>{cell('td', row)}</tr>" for row in _table(report))
    films = "".join(
        f"<figure><video controls preload=none src='{html.escape(str(e['video']))}'></video><figcaption>"
        f"{html.escape(str(e['task']))} #{e.get('episode')}: {html.escape(str(e.get('goal', '')))}"
        f" <b>{html.escape(str(e.get('end', '')))}</b></figcaption></figure>"
        for e in episodes
        if e.get("video")
    )
    title = html.escape(f"{report.get('suite', 'evaluation')}: {percent(report['mean'])}")
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title><style>{STYLE}</style>"
        f"<h1>{title} mean, {percent(report['worst'])} worst ({html.escape(str(report['worst_task']))})</h1>"
        f"<p>{html.escape(_about(report))}</p><table><tr>{cell('th', HEAD)}</tr>{body}</table>"
        f"<p><img alt='success and replans by task' src='data:image/png;base64,{_plot(report)}'></p>"
        f"<h2>Failures</h2>{films or '<p>none filmed</p>'}</html>\n"
    )


def write(folder: Path, report: Mapping[str, Any], episodes: Sequence[Episode]) -> None:
    """report.json, report.md and report.html in `folder`."""
    (folder / "report.json").write_text(json.dumps(strict(dict(report)), indent=2) + "\n", encoding="utf-8")
    (folder / "report.md").write_text(markdown(report), encoding="utf-8")
    (folder / "report.html").write_text(page(report, episodes), encoding="utf-8")
