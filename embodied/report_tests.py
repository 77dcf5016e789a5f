"""Tests with right and wrong answers -> report.json, report.md and report.html: accuracy or F1 a test, with intervals.

An answer is a dict: test, right, and for a verdict p (probability of yes) and truth; text, answer and said are shown of wrong ones.
"""

from __future__ import annotations

import base64
import html
import io
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from embodied.report import STYLE, percent, strict, wilson

Answer = Mapping[str, Any]
SHOWN = 40  # wrong answers on the page


def precision_recall(answers: Sequence[Answer]) -> dict[str, float]:
    """F1, precision and recall of "yes" among verdicts {p, truth}, said where p is over one half."""
    said = [(a["p"] > 0.5, bool(a["truth"])) for a in answers]
    tp, fp, fn = (sum(pair == which for pair in said) for which in ((True, True), (True, False), (False, True)))
    precision, recall = tp / (tp + fp) if tp + fp else math.nan, tp / (tp + fn) if tp + fn else math.nan
    return {"f1": 2 * tp / (2 * tp + fp + fn) if tp + fp + fn else math.nan, "precision": precision, "recall": recall}


def summary(answers: Sequence[Answer], **about: Any) -> dict[str, Any]:
    """{**about, "tests": {test: {"n", "accuracy", "low", "high"[, "f1", "precision", "recall"]}}, "mean"}."""
    tests: dict[str, Any] = {}
    for name in dict.fromkeys(a["test"] for a in answers):
        own = [a for a in answers if a["test"] == name]
        right = sum(bool(a["right"]) for a in own)
        low, high = wilson(right, len(own))
        tests[name] = {"n": len(own), "accuracy": right / len(own), "low": low, "high": high}
        if all("p" in a for a in own):
            tests[name] |= precision_recall(own)
    rates = [row["accuracy"] for row in tests.values()]
    return {**about, "mean": sum(rates) / len(rates) if rates else math.nan, "tests": tests}


COLUMNS = {"f1": ("F1", ".3f"), "precision": ("precision", ".3f"), "recall": ("recall", ".3f"),
           "bleu": ("BLEU", ".1f"), "cider": ("CIDEr", ".2f")}  # fmt: skip


def _further(report: Mapping[str, Any]) -> list[str]:
    return [key for key in COLUMNS if any(key in row for row in report["tests"].values())]


def _head(report: Mapping[str, Any]) -> list[str]:
    return ["test", "n", "accuracy", "95 % interval", *(COLUMNS[key][0] for key in _further(report))]


def _rows(report: Mapping[str, Any]) -> list[list[str]]:
    out = []
    for name, row in report["tests"].items():
        cells = [name, str(row["n"]), percent(row["accuracy"]), f"{percent(row['low'])} - {percent(row['high'])}"]
        figures = {key: row.get(key, math.nan) for key in _further(report)}
        cells += [format(v, COLUMNS[key][1]) if math.isfinite(v) else "-" for key, v in figures.items()]
        out.append(cells)
    return out


def _about(report: Mapping[str, Any]) -> str:
    kept = [
        (k, v)
        for k, v in report.items()
        if isinstance(v, (str, int, float, bool)) and k not in ("mean", "note") and v != ""
    ]
    return " · ".join(f"{k} {v}" for k, v in kept)


def markdown(report: Mapping[str, Any]) -> str:
    lines = [f"# {report.get('suite', 'tests')}: {percent(report['mean'])} mean", "", _about(report), ""]
    lines += [str(report.get("note", "")), "", f"| {' | '.join(_head(report))} |", "|" + " --- |" * len(_head(report))]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in _rows(report))]) + "\n"


def _plot(report: Mapping[str, Any]) -> str:
    """Accuracies with intervals as one inline PNG."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib.figure import Figure

    names = list(report["tests"])[::-1]
    rows = [report["tests"][name] for name in names]
    figure = Figure(figsize=(7, 0.4 * len(names) + 1.0), layout="constrained")
    axes = figure.subplots()
    spread = [[r["accuracy"] - r["low"] for r in rows], [r["high"] - r["accuracy"] for r in rows]]
    axes.barh(names, [r["accuracy"] for r in rows], xerr=spread, color="#5b8db8", ecolor="#333333", capsize=3)
    axes.set(xlim=(0, 1.02), xlabel="right, 95 % interval")
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=110)
    return base64.b64encode(picture.getvalue()).decode()


def page(report: Mapping[str, Any], answers: Sequence[Answer]) -> str:
    """One self-contained HTML page with the first wrong answers."""
    cell = lambda tag, row: "".join(f"<{tag}>{html.escape(str(c))}</{tag}>" for c in row)  # noqa: E731
    body = "".join(f"<tr>{cell('td', row)}</tr>" for row in _rows(report))
    wrong = [a for a in answers if not a["right"]][:SHOWN]
    keys = ("test", "seed", "text", "answer", "said")
    listed = "".join(f"<tr>{cell('td', [a.get(key, '') for key in keys])}</tr>" for a in wrong)
    title = html.escape(f"{report.get('suite', 'tests')}: {percent(report['mean'])}")
    asked = "<tr><th>test<th>seed<th>question<th>right<th>said</tr>"
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title><style>{STYLE}</style><h1>{title} mean</h1>"
        f"<p>{html.escape(_about(report))}</p><p>{html.escape(str(report.get('note', '')))}</p>"
        f"<table><tr>{cell('th', _head(report))}</tr>{body}</table>"
        f"<p><img alt='accuracy of every test' src='data:image/png;base64,{_plot(report)}'></p>"
        f"<h2>Wrong answers</h2>{f'<table>{asked}{listed}</table>' if wrong else '<p>none</p>'}</html>\n"
    )


def write(folder: Path, report: Mapping[str, Any], answers: Sequence[Answer]) -> None:
    """report.json, report.md and report.html in `folder`."""
    (folder / "report.json").write_text(json.dumps(strict(dict(report)), indent=2) + "\n", encoding="utf-8")
    (folder / "report.md").write_text(markdown(report), encoding="utf-8")
    (folder / "report.html").write_text(page(report, answers), encoding="utf-8")
