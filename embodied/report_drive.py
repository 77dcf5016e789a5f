"""What a replay found, for people: report.json, report.md, and one HTML page with plots and the film.

The timeline is a CSV beside them, written moment by moment, so that a long drive needs no more memory than a short one.
"""

from __future__ import annotations

import base64
import csv
import html
import io
import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from embodied.drive import paths
from embodied.drive.decisions import STRATA
from embodied.drive.replay import Moment
from embodied.drive.scores import ALL, HORIZONS_S, METRICS
from embodied.plan import decided
from embodied.report import STYLE, strict

TIMELINE = "timeline.csv"
COLOURS = {"cv": "#9aa0ab", "ctrv": "#7d8fb8", "ctra": "#4a6fa5", "bicycle": "#8fae8b", "relaxing": "#c9a227",
           "network": "#d9822b", "network-blind": "#b36a8c", "network-ego": "#7a5ca8"}  # fmt: skip
SAID = ("plan", "hazard", "ttc", "speed@1", "curvature", "fde@3")
SOON = round(paths.RATE_HZ) - 1  # the point of a path that is a second away
DRAWN = 2000  # points of a curve; more are thinned out


class Timeline:
    """timeline.csv: a line a moment. Columns: drive, t_s, speed, accel, steer, curvature, hazard_true, ttc_true, decision_true,
    stratum, and of each driver its plan (decision and reason, a step of embodied.plan), hazard and ttc, the speed that it says for
    a second from now, the curvature of that second, and the error at 3 s.

    plans: driver -> step -> how many moments."""

    def __init__(self, path: Path, drivers: Sequence[str]) -> None:
        self._file = path.open("w", encoding="utf-8", newline="")
        self._drivers, self._writer = list(drivers), csv.writer(self._file)
        self.plans = {name: Counter[str]() for name in drivers}
        each = [f"{name}.{part}" for name in drivers for part in SAID]
        fixed = "drive t_s speed accel steer curvature hazard_true ttc_true decision_true stratum".split()
        self._writer.writerow([*fixed, *each])

    def add(self, drive: str, moment: Moment) -> None:
        show = lambda v: "" if v is None or not math.isfinite(v) else f"{v:.5g}"  # noqa: E731
        ego = moment.ego
        bend = ego["yaw_rate"] / moment.speed if "yaw_rate" in ego and moment.speed > 0.5 else None
        row = [drive, f"{moment.t_s:.3f}", *(show(ego.get(name)) for name in ("speed", "accel", "steer")), show(bend)]
        row += [show(moment.hazard), show(moment.ttc_s), moment.decision, moment.stratum]
        for name in self._drivers:
            error = moment.errors.get(name)
            said = moment.said[name]
            soon = paths.speeds(said.path, moment.speed)[SOON]
            step = decided(said.decision, said.reason).text
            self.plans[name][step] += 1
            row += [step, show(said.hazard), show(said.ttc_s), show(soon), show(paths.curvature(said.path))]
            row.append("" if error is None else show(error[METRICS.index("fde@3")]))
        self._writer.writerow(row)

    def __enter__(self) -> Timeline:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


def _number(value: Any, form: str = ".2f") -> str:
    return "-" if value is None or not math.isfinite(value) else format(value, form)


def within(row: Mapping[str, Any], name: str) -> str:
    """A figure with its interval, where it has one."""
    value, low, high = (_number(row[key]) for key in (name, f"{name}_low", f"{name}_high"))
    return value if low == "-" else f"{value} ({low} - {high})"


HEAD = ("driver", "n", *(f"ADE@{h} / FDE@{h}" for h in HORIZONS_S), "95 % of ADE@3", "along / across @3", "speed MAE",
        "curvature MAE", "accel F1", "decision F1", "lateral cost", "jerk cost")  # fmt: skip


def cells(name: str, row: Mapping[str, Any]) -> list[str]:
    """One line of the table in the order of HEAD; m, m/s, 1/m, m2/s4, m2/s6."""
    mean = lambda key: row[key]["mean"]  # noqa: E731
    pairs = [f"{_number(mean(f'ade@{h}'))} / {_number(mean(f'fde@{h}'))}" for h in HORIZONS_S]
    spread = f"{_number(row['ade@3']['low'])} - {_number(row['ade@3']['high'])}"
    split = f"{_number(mean('along@3'))} / {_number(mean('across@3'))}"
    rest = [_number(mean("speed_mae")), _number(mean("curvature_mae"), ".4f"), within(row, "accel_sign_f1")]
    rest += [within(row, "decision_f1"), _number(mean("lateral_cost")), _number(mean("jerk_cost"))]
    return [name, str(row["n"]), *pairs, spread, split, *rest]


def tables(report: Mapping[str, Any]) -> Iterable[tuple[str, list[list[str]]]]:
    """(stratum, rows) of those strata that occur."""
    for stratum in (ALL, *STRATA):
        rows = [
            cells(name, told["strata"][stratum])
            for name, told in report["drivers"].items()
            if stratum in told["strata"]
        ]
        if rows:
            yield stratum, rows


def _about(report: Mapping[str, Any]) -> list[str]:
    lines = [f"{key}: {value}" for key, value in report["about"].items() if value not in ("", None)]
    return [*lines, *report["notes"]]


def _hazards(report: Mapping[str, Any]) -> list[list[str]]:
    rows = []
    for name, told in report["drivers"].items():
        h, o = told["hazard"], told["onsets"]
        early = (
            [within(h, "ap"), _number(h["false_alarms_per_h"], ".1f"), _number(h["mtta_s"])]
            if h["hazards"]
            else ["-"] * 3
        )
        rows.append([name, str(h["hazards"]), *early, _number(o["delay_s"]), f"{o['missed']:g} of {o['onsets']:g}"])
    return rows


HAZARD_HEAD = ("driver", "hazards", "hazard AP", "false alarms / h", "mean time to accident, s (FPR <= 0.1)", "onset delay, s",
               "onsets missed")  # fmt: skip


PLAN_HEAD = ("step", "moments")


def _plans(report: Mapping[str, Any]) -> list[list[str]]:
    """What the policy said, most often first."""
    said = report["plans"][report["about"]["policy"]]
    return [[step, str(n)] for step, n in sorted(said.items(), key=lambda one: (-one[1], one[0]))]


def _lines(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(head)} |", "|" + " --- |" * len(head), *(f"| {' | '.join(row)} |" for row in rows)]


def markdown(report: Mapping[str, Any]) -> str:
    lines = [f"# Replay: {report['about']['drives']}", "", *(f"- {line}" for line in _about(report)), ""]
    for stratum, rows in tables(report):
        lines += [f"## {stratum}", "", *_lines(HEAD, rows), ""]
    if report["drivers"]:
        lines += ["## decisions and hazards", "", *_lines(HAZARD_HEAD, _hazards(report)), ""]
    lines += [f"## what {report['about']['policy']} said", "", *_lines(PLAN_HEAD, _plans(report)), ""]
    return "\n".join(lines)


def _columns(path: Path) -> dict[str, list[str]]:
    """Header -> cells of about DRAWN lines, evenly spread."""
    with path.open("rb") as source:
        every = max(1, (sum(1 for _ in source) - 1) // DRAWN)
    with path.open(encoding="utf-8", newline="") as source:
        reader = csv.reader(source)
        head = next(reader)
        keep = [row for k, row in enumerate(reader) if k % every == 0]
    return {name: [row[k] for row in keep] for k, name in enumerate(head)} if keep else {}


def _plot(draw: Any, size: tuple[float, float]) -> str:
    """An <img> of a matplotlib figure on which `draw` has drawn."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    draw(figure)
    page = io.BytesIO()
    figure.savefig(page, format="png", dpi=110)
    return f"<p><img src='data:image/png;base64,{base64.b64encode(page.getvalue()).decode()}'></p>"


def _over_time(columns: Mapping[str, list[str]], driver: str) -> str:
    """Speed, steering, curvature, hazard and the error at 3 s of the first drive; of speed and curvature also what the driver said,
    the speed at the time it was said for."""
    if not columns:
        return ""
    here = [k for k, name in enumerate(columns["drive"]) if name == columns["drive"][0]]
    value = lambda name: np.array([float(columns[name][k]) if columns[name][k] else np.nan for k in here])  # noqa: E731
    t = value("t_s")
    shown = [("speed", "speed, m/s"), ("steer", "steering, rad"), ("curvature", "curvature, 1/m")]
    shown = [one for one in shown if np.isfinite(value(one[0])).any()]
    said = {"speed": ("speed@1", 1.0), "curvature": ("curvature", 0.0)}
    names = [key.removesuffix(".fde@3") for key in columns if key.endswith(".fde@3")]

    def draw(figure: Any) -> None:
        axes = np.atleast_1d(figure.subplots(len(shown) + 2, 1, sharex=True))
        for ax, (name, label) in zip(axes, shown, strict=False):
            ax.plot(t, value(name), color="#333333", lw=1.2, label="driven")
            ax.set_ylabel(label)
            if name in said:
                part, later_s = said[name]
                ax.plot(
                    t + later_s, value(f"{driver}.{part}"), color=COLOURS.get(driver, "#d9822b"), lw=1.0, label=driver
                )
                ax.legend(loc="upper right", fontsize=8)
        hazard, error = axes[-2], axes[-1]
        truth = value("hazard_true")
        if np.isfinite(truth).any():
            hazard.fill_between(t, 0, truth, step="mid", color="#e9a3a3", lw=0, label="true")
        hazard.plot(t, value(f"{driver}.hazard"), color=COLOURS.get(driver, "#d9822b"), lw=1.2, label=driver)
        hazard.set(ylim=(-0.03, 1.05), ylabel="hazard")
        hazard.legend(loc="upper right", fontsize=8)
        for name in names:
            if name in ("cv", "ctra", driver):
                error.plot(t, value(f"{name}.fde@3"), color=COLOURS.get(name, "#b03060"), lw=1.2, label=name)
        error.set(xlabel="s", ylabel="error at 3 s, m", ylim=(0, None))
        error.legend(loc="upper right", fontsize=8)
        for ax in axes:
            ax.grid(alpha=0.25)
            ax.spines[["top", "right"]].set_visible(False)

    return _plot(draw, (9, 1.55 * (len(shown) + 2)))


def _by_horizon(report: Mapping[str, Any]) -> str:
    """FDE against the horizon, a panel a stratum."""
    strata = [name for name, _ in tables(report)]
    if not strata:
        return ""

    def draw(figure: Any) -> None:
        for ax, stratum in zip(np.atleast_1d(figure.subplots(1, len(strata))), strata, strict=True):
            for name, told in report["drivers"].items():
                row = told["strata"].get(stratum)
                if row:
                    errors = [row[f"fde@{h}"]["mean"] for h in HORIZONS_S]
                    ax.plot(HORIZONS_S, errors, "o-", ms=3, lw=1.3, color=COLOURS.get(name, "#b03060"), label=name)
            n = next(iter(report["drivers"].values()))["strata"][stratum]["n"]
            ax.set_title(f"{stratum}, n = {n}", fontsize=10)
            ax.set(xlabel="horizon, s", ylim=(0, None))
            ax.grid(alpha=0.25)
            ax.spines[["top", "right"]].set_visible(False)
        axes = figure.axes
        axes[0].set_ylabel("error at the horizon (FDE), m")
        axes[0].legend(fontsize=8)

    return _plot(draw, (3.0 * max(2, len(strata)), 3.0))


def page(report: Mapping[str, Any], folder: Path) -> str:
    cell = lambda tag, row: "".join(f"<{tag}>{html.escape(c)}</{tag}>" for c in row)  # noqa: E731

    def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
        body = "".join(f"<tr>{cell('td', row)}</tr>" for row in rows)
        return f"<div class=wide><table><tr>{cell('th', head)}</tr>{body}</table></div>"

    films = "".join(f"<video controls src='{html.escape(name)}'></video>" for name in report["films"])
    parts = "".join(f"<h2>{html.escape(stratum)}</h2>{table(HEAD, rows)}" for stratum, rows in tables(report))
    warnings = f"<h2>decisions and hazards</h2>{table(HAZARD_HEAD, _hazards(report))}" if report["drivers"] else ""
    warnings += f"<h2>what {html.escape(report['about']['policy'])} said</h2>{table(PLAN_HEAD, _plans(report))}"
    about = "".join(f"<li>{html.escape(line)}</li>" for line in _about(report))
    title = html.escape(f"Replay: {report['about']['drives']}")
    plain = STYLE.replace("tr:last-child{font-weight:600}", "").replace("64rem", "76rem")
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title><style>{plain}"
        ".wide{overflow-x:auto}td,th{white-space:nowrap;font-size:13px}</style>"
        f"<h1>{title}</h1><ul>{about}</ul>{films}"
        f"{_over_time(_columns(folder / TIMELINE), report['about']['policy'])}{_by_horizon(report)}{parts}"
        f"{warnings}</html>\n"
    )


def write(folder: Path, report: Mapping[str, Any]) -> None:
    """report.json, report.md and report.html in `folder`, beside its timeline.csv."""
    (folder / "report.json").write_text(json.dumps(strict(dict(report)), indent=2) + "\n", encoding="utf-8")
    (folder / "report.md").write_text(markdown(report), encoding="utf-8")
    (folder / "report.html").write_text(page(report, folder), encoding="utf-8")
