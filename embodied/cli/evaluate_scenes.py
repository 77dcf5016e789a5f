"""embodied evaluate suite=scenes: questions about tables outside plans, captions, and what changed between two pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from embodied import report_tests
from embodied.cli import exam, parts
from embodied.cli.exam import Job
from embodied.cli.settings import Evaluate
from embodied.plan import read_listing

NOTE = "Right is what matches word for word. Captions and changes are written from the model's listing of what it sees."
TEXTS = ("caption", "change")  # what BLEU and CIDEr are of


def some(job: Job) -> list[dict[str, Any]]:
    """The answers about the job's tables."""
    tables, policy = exam.asked(job, parts.outside("sim.asked").Tables)
    run = job.settings.seed * parts.outside("sim.task").EPISODES
    return [a for k in range(job.first, job.last) for a in _table(tables, policy, run + k)]


def _table(tables: Any, policy: Any, k: int) -> list[dict[str, Any]]:
    describe = parts.outside("policies.describe")
    seen: list[Any] = []
    out: list[dict[str, Any]] = []

    def answer(obs: Any, asked: Sequence[Any]) -> None:
        seen.append(read_listing(policy.scene(obs)))
        for one in asked:
            if one.test == "caption":
                said = describe.caption(seen[0])
            else:
                said = describe.change(*seen) if one.test == "change" else policy.answer(obs, one.text)
            told = {"test": one.test, "seed": k, "text": one.text, "answer": one.answer, "said": said}
            out.append({**told, "right": said == one.answer})

    policy.reset()
    tables.table(k, answer)
    return out


def texts(answers: Sequence[dict[str, Any]]) -> dict[str, float]:
    """BLEU-4 (0-100, sacrebleu) and CIDEr (pycocoevalcap) of the texts; nothing where these libraries are not installed."""
    said, true = [a["said"] for a in answers], [a["answer"] for a in answers]
    try:
        import sacrebleu
        from pycocoevalcap.cider.cider import Cider
    except ImportError:
        return {}
    pairs = [({k: [one]}, {k: [other]}) for k, (one, other) in enumerate(zip(true, said, strict=True))]
    whole = [{k: v for pair in side for k, v in pair.items()} for side in zip(*pairs, strict=True)]
    return {
        "bleu": float(sacrebleu.corpus_bleu(said, [true], tokenize="none").score),
        "cider": float(Cider().compute_score(*whole)[0]),
    }


def main(settings: Evaluate, chosen: dict[str, str]) -> int:
    """Writes report.json, report.md and report.html; 0 when every table was asked about, whatever the answers."""
    exam.check(settings)
    parts.outside("sim.asked")
    about = {"suite": chosen["suite"], "weights": settings.weights, "seed": settings.seed}
    out, answers = exam.answers(settings, about, some)
    final = report_tests.summary(answers, **about, scenes=settings.scenes, note=NOTE)
    for test in TEXTS:
        final["tests"][test] |= texts([a for a in answers if a["test"] == test])
    if "bleu" not in final["tests"][TEXTS[0]]:
        print("BLEU and CIDEr were not computed; run: pip install 'embodied-planner[metrics]'")
    return exam.report(out, final, answers)
