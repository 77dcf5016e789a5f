"""Held-out figures of the network that drives, straight from moments: quick, for the way through a training."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from embodied.data.drives import DECISIONS
from embodied.data.moments import KINDS
from embodied.data.road_lessons import Lesson, RealLessons, RoadLessons
from embodied.drive.decisions import STRATA, macro_f1
from embodied.drive.hazard import average_precision
from embodied.model.driving import HAZARD, Said

Say = Callable[[list[Lesson]], Said]
MOST, PORTION, AT = 1500, 100, 29  # moments; at once; the step at 3 s
LEANS = np.linspace(-1.0, 1.0, 21)


def lean(say: Say, held: RoadLessons) -> np.ndarray:
    """(DECISIONS,) what to add to each decision's logarithm for the best macro F1 over all held-out moments, one by one, three
    times over (logit adjustment: Menon et al. 2021, arXiv 2007.07314, section 4)."""
    said, true = list[np.ndarray](), list[int]()
    for part in np.array_split(np.arange(len(held.index)), -(-len(held.index) // PORTION)):
        lessons = [held.lesson(*held.index[i]) for i in part]
        said.append(say(lessons).decisions.numpy())
        true += [one.decided for one in lessons]
    rows, known = np.concatenate(said), np.array(true) >= 0
    rows, labels = rows[known], np.array(true)[known]
    added = np.zeros(len(DECISIONS))

    def score(k: int, value: float) -> float:
        tried = np.where(np.arange(len(DECISIONS)) == k, value, added)
        confusion = np.zeros((len(DECISIONS),) * 2)
        np.add.at(confusion, (labels, (rows + tried).argmax(1)), 1)
        return macro_f1(confusion)

    for k in [*range(len(DECISIONS))] * 3:
        added[k] = max(LEANS, key=lambda value: score(k, value))
    return added


def _gaps(said: Said, lessons: list[Lesson]) -> np.ndarray:
    """(b, 2) error at 3 s of the likeliest hypothesis and of CTRA; NaN where the future is shorter."""
    best = said.log_p.argmax(1)
    rows = np.arange(len(lessons))
    future = np.stack([one.future[AT] for one in lessons])
    gap = np.linalg.norm(said.paths[:, :, AT].numpy() - future[:, None], axis=-1)
    there = np.array([one.valid[AT] for one in lessons])
    return np.where(there[:, None], np.column_stack([gap[rows, best.numpy()], gap[:, 1]]), np.nan)


def exam(say: Say, held: RoadLessons) -> dict[str, float]:
    """With pictures where the lessons have them: errors at 3 s by stratum, as shares of CTRA's; decisions, hazards, cells."""
    order = np.random.default_rng(0).permutation(len(held.index))[:MOST]
    gaps, decided, hazard, strata, cells = [], [], [], [], []
    for part in np.array_split(order, -(-len(order) // PORTION)):
        lessons = [held.lesson(*held.index[i]) for i in part]
        said = say(lessons)
        gaps.append(_gaps(said, lessons))
        strata += [one.stratum for one in lessons]
        decided += list(zip([one.decided for one in lessons], said.decisions.argmax(1).tolist(), strict=True))
        hazard += list(zip(said.ttc[:, HAZARD].tolist(), [one.truth[0] > 0 for one in lessons], strict=True))
        if said.cells is not None:
            kinds = np.stack([one.cells[..., 0] for one in lessons if one.cells is not None]).astype(int)
            cells.append((kinds, said.cells[..., : len(KINDS)].argmax(-1).numpy()))
    made = _shares(np.concatenate(gaps), np.array(strata))
    confusion = np.zeros((len(DECISIONS),) * 2)
    for true, one in decided:
        if true >= 0:
            confusion[true, one] += 1
    made |= {"decision F1": macro_f1(confusion), "decision errors": 1 - np.trace(confusion) / confusion.sum()}
    scores, labels = (np.array(column) for column in zip(*hazard, strict=True))
    made["hazard AP"] = average_precision(scores.astype(float), labels.astype(bool))
    if cells:
        true, found = (np.concatenate([one[k] for one in cells]) for k in (0, 1))
        for name in ("car", "person"):
            k = KINDS.index(name)
            made[f"{name} cells F1"] = (
                2 * ((true == k) & (found == k)).sum() / max(1, (true == k).sum() + (found == k).sum())
            )
    return {name: float(value) for name, value in made.items()}


def _shares(gaps: np.ndarray, strata: np.ndarray) -> dict[str, float]:
    made = {"FDE@3": float(np.nanmean(gaps[:, 0]))}
    for name in STRATA:
        if (there := (strata == name) & np.isfinite(gaps[:, 0])).sum() >= 20:
            made[name] = float(gaps[there, 0].mean())
            made[f"{name} / CTRA"] = float(gaps[there, 0].mean() / gaps[there, 1].mean())
    return made


def real_exam(say: Say, held: RealLessons) -> dict[str, float]:
    """Errors at 3 s on held-out real telemetry."""
    made = _shares(_gaps(say(held.moments), held.moments), np.array([one.stratum for one in held.moments]))
    return {f"real {name}": value for name, value in made.items()}
