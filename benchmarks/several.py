"""What several pictures in a sentence are worth: a past to verdicts, solved examples to answers.

    python benchmarks/several.py snapshots=FOLDER [weights=tabletop] [moments=1000]
    python benchmarks/several.py shots=0,1,2,4 [weights=tabletop] [tables=14]

snapshots=: whether the step just tried was successful, at recorded moments (`embodied record kind=snapshots`, a seed that the
weights were not trained on), by the answer to the question alone, without what the listing says; by skill. shots=: questions about
tables of the evaluation, each after so many solved examples about others.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import torch
from options import leave, options

from embodied.data.snapshots import DEPTH_M, Snapshots
from embodied.errors import UserError
from embodied.model.weights import from_pretrained
from embodied.plan import step
from embodied.types import Observation
from policies.planner import Planner
from sim.asked import Tables
from sim.body import SimBody
from sim.shots import solved


def main(arguments: list[str]) -> int:
    chosen = options(arguments, snapshots="", shots="", weights="tabletop", moments=1000, tables=14)
    if bool(chosen["snapshots"]) == bool(chosen["shots"]):
        raise UserError("give snapshots=FOLDER or shots=0,1,2")
    torch.set_num_threads(1)
    model = from_pretrained(chosen["weights"])
    if chosen["snapshots"]:
        verdicts(model, Snapshots(Path(chosen["snapshots"])), chosen["moments"])
    else:
        answers(model, [int(one) for one in chosen["shots"].split(",")], chosen["tables"])
    return 0


def verdicts(model: Any, data: Snapshots, most: int) -> None:
    body = SimBody("pick", lazy=True)
    planner = Planner(body, model=model, words_decide=False)
    right, n = Counter[str](), Counter[str]()
    for i in range(min(most, len(data))):
        record, arrays = data[i]
        images = {c: np.array(arrays[c]) for c in model.config.cameras}
        depth = {c: arrays[f"{c}_depth"] * DEPTH_M for c in model.config.cameras}
        obs = Observation(
            float(i), images, {"arm": arrays["arm"]}, {c: one.astype("float32") for c, one in depth.items()}
        )
        if record.moment == 0:
            planner.reset()
            planner.look(obs)
            continue
        text, true = record.checks[0]
        good = (planner.check(obs, step(text)) > 0.5) == true
        for kind in ("all", step(text).skill, f"that were {'' if true else 'not '}successful"):
            right[kind] += good
            n[kind] += 1
    body.close()
    print(
        f"history {model.config.history}: "
        + ", ".join(f"{k} {right[k]} of {n[k]} ({100 * right[k] / n[k]:.1f} %)" for k in n)
    )


def answers(model: Any, counts: list[int], tables: int) -> None:
    made = Tables()
    planner = Planner(made.body, model=model)
    right, n = Counter[tuple[int, str]](), Counter[str]()
    for k in range(tables):

        def answer(obs: Observation, asked: Any, k: int = k) -> None:
            planner.reset()
            for one in asked:
                if one.test not in ("count", "on", "where"):
                    continue
                shots = solved("compound", one.text, max(counts), k) if max(counts) else []
                n[one.test] += 1
                for count in counts:
                    right[count, one.test] += planner.answer(obs, one.text, shots[:count]) == one.answer

        made.table(k, answer)
    made.close()
    print(f"| examples | {' | '.join(n)} | all |\n|{' --- |' * (len(n) + 2)}")
    for count in counts:
        each = [f"{right[count, test]} of {n[test]}" for test in n]
        print(f"| {count} | {' | '.join(each)} | {sum(right[count, test] for test in n)} of {sum(n.values())} |")


if __name__ == "__main__":
    leave(main)
