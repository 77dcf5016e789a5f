"""From a sentence to steps: with a model that answers faultlessly the steps bring about what was wanted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace

import numpy as np
import pytest

from embodied import registry
from embodied.model.grammar import Grammar
from embodied.model.lessons import ALL, ask_job, ask_part, ask_plan
from embodied.model.tokens import LINE, Words, train_vocabulary
from embodied.plan import write_step
from policies import goals
from policies.expert import grounded
from policies.judge import job_of
from policies.symbolic import Want, holds, remaining
from sim.camera import front
from sim.scene import facts
from sim.task import seed_of
from sim.words import after
from tests.test_told import written

CAMERA = front()


@pytest.fixture(scope="module")
def words() -> Words:
    return Words(train_vocabulary([], []))


class Faultless:
    """Stands in for a Look: knows the answers, as texts, and says nothing that may not be said.

    answers: question -> answer, or a function that makes it when it is asked for.
    """

    sure = 1.0

    def __init__(self, words: Words, listing: str, answers: dict[str, str | Callable[[], str]]) -> None:
        self.model, self.words, self.asked = SimpleNamespace(words=words), words, list[str]()
        self.answers = {self._same(question): answer for question, answer in answers.items()}
        self.xys = {words[f"<{axis}{i:03d}>"] for axis in "xy" for i in range(128)}
        self.noted = words.encode(listing)

    def _same(self, text: str) -> str:
        return self.words.decode(self.words.encode(text))

    def note(self, text: str, answer: str) -> None:
        assert text == ALL
        self.noted = self.words.encode(answer)

    def choose(self, text: str, choices: list[int]) -> np.ndarray:
        answer = self.words.encode(self.answers[self._same(text)])
        sure = [float(choice == [*answer, self.words["<eos>"]][0]) for choice in choices]
        return np.array(sure) * self.sure + (1 - self.sure) / len(choices)

    def chance(self, text: str, said: list[int], allowed: Callable[[Sequence[int]], list[int]]) -> float:
        return float(self.words.encode(self.answers[self._same(text)]) == said)

    def _else(self, allowed: Callable[[Sequence[int]], list[int]]) -> list[int]:
        if again := self.answers.get(self.asked[-1] + " again"):
            return self.words.encode(again)
        out: list[int] = []
        while (token := allowed(out)[0]) != self.words["<eos>"]:
            out.append(token)
        return out

    def say(self, text: str, allowed: Callable[[Sequence[int]], list[int]]) -> tuple[list[int], float]:
        self.asked.append(self._same(text))
        assert allowed([]), f"nothing may be said to {self.asked[-1]!r}"
        answer = self.answers[self.asked[-1]]
        said = self.words.encode(answer() if callable(answer) else answer)
        for k, token in enumerate([*said, self.words["<eos>"]]):
            may = allowed(said[:k])
            if token in self.xys and may and may[0] in self.xys:
                said[k] = may[0] if len(may) == 1 else token  # known places are given
                continue
            if token not in may:  # an answer was ruled out: the next best, or else whatever may be said
                assert k == 0, (text, self.words.decode(said), self.words.decode(may))
                return self._else(allowed), 0.0
        return said, 0.0


def chained(ask: Callable[[str, str], str], goal: str, said: Sequence[str]) -> dict[str, str]:
    """One after the other, and then nothing."""
    return {ask(goal, before): following for before, following in zip(["", *said], [*said, ""], strict=True)}


@pytest.mark.parametrize(
    ("task", "split"), [(task, "train") for task in registry.choices("task")] + [("compound", "compositions")]
)
def test_steps_of_the_jobs_bring_about_the_goal(task: str, split: str, words: Words) -> None:
    allowed = Grammar(words)
    for seed in range(6):
        episode = registry.build("task", task).sample(np.random.default_rng(seed_of("train", 8, seed)), split)
        table = facts(episode.items)
        jobs = list(map(job_of, episode.wants))
        answers: dict[str, str | Callable[[], str]] = dict(chained(ask_part, episode.goal, episode.parts))
        if len(episode.parts) > 1:
            for part, job in zip(episode.parts, jobs, strict=True):
                answers |= chained(ask_job, part, [job])
        else:
            answers |= chained(ask_job, episode.goal, jobs)

        def planned(want: Want) -> str:
            nonlocal table
            steps = grounded(remaining((want,), table), table, CAMERA, (want,))
            for step in steps:
                table = after(step, table, CAMERA)
            return LINE.join(map(write_step, steps))

        answers |= {ask_plan(job_of(want)): lambda want=want: planned(want) for want in episode.wants}
        look = Faultless(words, written(table), answers)
        seen, start = look.noted, table
        wanted = goals.jobs(look, allowed, episode.goal)
        assert wanted == list(dict.fromkeys(jobs))
        steps = goals.steps(look, allowed, wanted, CAMERA, start.hand)
        assert look.noted == seen  # what was foreseen is not what is seen
        assert all(holds(want, table) for want in episode.wants), (episode.goal, [s.text for s in steps])
        again = start
        for step in steps:  # the steps alone lead there too
            again = after(step, again, CAMERA)
        assert all(holds(want, again) for want in episode.wants)


def test_a_job_that_holds_by_the_listing_is_not_asked_about(words: Words) -> None:
    look = Faultless(words, "red block <x010><y020>\nblue zone <x060><y060>\ngreen brick <x060><y060> on blue zone", {})
    assert (
        goals.steps(
            look, Grammar(words), ["put green brick on blue zone", "put red block on table"], CAMERA, np.zeros(3)
        )
        == []
    )
    assert not look.asked


def test_what_does_not_hold_has_steps_whatever_the_model_says(words: Words) -> None:
    job, texts = "put red block on blue zone", ["pick red block", "put red block on blue zone"]
    plan = f"{texts[0]} <x010><y020>{LINE}{texts[1]} <x060><y060>"
    look = Faultless(words, "red block <x010><y020>\nblue zone <x060><y060>", {ask_plan(job): ""})
    look.answers[look._same(ask_plan(job)) + " again"] = plan  # nothing may not be said
    assert [step.text for step in goals.steps(look, Grammar(words), [job], CAMERA, np.zeros(3))] == texts


def test_a_goal_that_cannot_be_done_is_refused(words: Words) -> None:
    listing, goal = "red block <x010><y020>\nblue bowl <x030><y040>", "pick up the green brick"
    for answer, said in (("<unclear>", ""), ("<absent> green brick", "green brick")):
        look = Faultless(words, listing, {ask_part(goal): "", ask_job(goal): answer})
        with pytest.raises(goals.Refused) as refused:
            goals.jobs(look, Grammar(words), goal)
        assert str(refused.value) == said


def test_what_may_be_listed_by_another_name_is_not_called_absent(words: Words) -> None:
    goal = "pick up the red brick"
    look = Faultless(words, "red block <x010><y020>", {ask_part(goal): "", ask_job(goal): "<absent> red brick"})
    look.answers[look._same(ask_job(goal)) + " again"] = "pick red block"
    look.answers[look._same(ask_job(goal, "pick red block"))] = ""
    assert goals.jobs(look, Grammar(words), goal) == ["pick red block"]


def test_a_model_that_goes_in_circles_comes_to_an_end(words: Words) -> None:
    goal, listing = "pick up the red block", "red block <x010><y020>\ngreen brick <x030><y040>"
    circle = {ask_job(goal): "pick red block", ask_job(goal, "pick red block"): "pick green brick"}
    circle |= {ask_part(goal): "", ask_job(goal, "pick green brick"): "pick red block"}
    assert goals.jobs(Faultless(words, listing, circle), Grammar(words), goal) == ["pick red block", "pick green brick"]


def test_a_sentence_that_may_be_one_job_is_read_whole_where_no_second_part_is_found(words: Words) -> None:
    goal = "pick up the red block"
    answers = {ask_part(goal): goal, ask_part(goal, goal): ""} | chained(ask_job, goal, ["pick red block"])
    look = Faultless(words, "red block <x010><y020>", answers)
    look.sure = 0.5
    assert goals.jobs(look, Grammar(words), goal) == ["pick red block"]


def test_parts_do_not_overlap(words: Words) -> None:
    goal, first = (
        "put the red block on the blue zone, then put the red block on the pink zone",
        "put the red block on the",
    )
    whole = first + " blue zone"
    answers = {ask_part(goal): whole, ask_part(goal, whole): "put the red block on the pink zone"}
    answers |= {ask_part(goal, "put the red block on the pink zone"): ""}
    answers |= chained(ask_job, whole, ["put red block on blue zone"])
    answers |= chained(ask_job, "put the red block on the pink zone", ["put red block on pink zone"])
    listing = "red block <x010><y020>\nblue zone <x060><y060>\npink zone <x090><y090>"
    wanted = goals.jobs(Faultless(words, listing, answers), Grammar(words), goal)
    assert wanted == ["put red block on blue zone", "put red block on pink zone"]
