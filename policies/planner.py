"""The learned policy: one checkpoint plans in text, grounds its steps in the picture, moves, and judges the result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from embodied import plan as grammar
from embodied.aims import seen_from
from embodied.errors import UserError
from embodied.protocols import Body
from embodied.registry import register
from embodied.spec import Channels
from embodied.types import ActionChunk, Floats, Observation, Plan, Shot, Step
from policies import perceive, skills
from policies.aims import aims_of
from policies.foresee import Listing, after, remembered
from policies.motion import Tempo

if TYPE_CHECKING:
    from torch import Tensor

    from embodied.model.decode import Look

MODES = ("skills", "visuomotor")
PRECISIONS = ("fp32", "bf16", "int8")
LONGEST = 400  # characters of a goal
FOREIGN = 0.5  # share of unknown words above which a goal is not our language
LATEST_S = 12.0  # a step's motion ends after this long, whatever the model says of its progress
NEWCOMER = 0.75  # how sure a thing must be that was not there at the first look
NEAR_END = 0.97  # progress at which a step's motion has ended


def check_mode(mode: str) -> None:
    """UserError for one that there is not."""
    if mode not in MODES:
        raise UserError(f"unknown mode {mode!r}; choose from {', '.join(MODES)}")


def check_fit(
    model: Any, mode: str, sizes: Mapping[str, tuple[int, int] | None], states: Mapping[str, Channels]
) -> None:
    """UserError where these weights cannot be used on a body. sizes: camera -> width, height of its pictures, px; None where
    that is not known yet."""
    if mode == "visuomotor" and "action" not in model.config.statistics:
        raise UserError("these weights were trained without motion; use mode=skills or train with motions=")
    for camera, (height, width, _) in model.config.cameras.items():
        if camera not in sizes:
            needed = ", ".join(model.config.cameras)
            raise UserError(f"camera {camera!r} is missing; the weights need {needed}")
        have = sizes[camera]
        if have is not None and have != (width, height):
            raise UserError(
                f"camera {camera!r} gives {have[0]}x{have[1]}, the weights need {width}x{height}; bring its pictures "
                "to that size, or train weights for these"
            )
    for state, (_, channels) in model.config.states.items():
        if state not in states or len(states[state]) != channels:
            has = f"{len(states[state])} of them" if state in states else "none"
            raise UserError(f"the weights need the state {state!r} of {channels} numbers, the body has {has}")


@register("policy", "planner")
class Planner:
    """Policy from weights. body: read for its spec only (cameras, limits), never for facts.

    weights: a folder or a shipped name.  mode: "skills" (each step runs a motion skill at its grounded point) or
    "visuomotor" (the motion head's chunks, asked for again every `execute` rows).  inpaint: rows of the chunk before that
    the next one must begin with (real-time chunking, arXiv 2506.07339).  words_decide: verdicts follow the listing where
    it tells, else the answer to the question alone.  threads: of torch.  candidates: how many plans to weigh for a sentence
    (policies/candidates.py); 1 takes the likeliest.  precision: fp32, or bf16 or int8 for a backbone that others trained.
    model: what the weights hold, where that is loaded already (embodied.model.weights.from_pretrained).
    """

    def __init__(
        self, body: Body, weights: str = "tabletop", mode: str = "skills", threads: int = 1, seed: int = 0,
        flow_steps: int = 5, execute: int = 8, inpaint: int = 0, words_decide: bool = True, candidates: int = 1,
        precision: str = "fp32", model: Any = None,
    ) -> None:  # fmt: skip
        import torch

        from embodied.data.normalise import Normalisation
        from embodied.model.grammar import Grammar
        from embodied.model.weights import from_pretrained

        check_mode(mode)
        least = {
            "threads": (threads, 1),
            "flow_steps": (flow_steps, 1),
            "execute": (execute, 1),
            "inpaint": (inpaint, 0),
            "candidates": (candidates, 1),
        }
        for name, (value, low) in least.items():
            if value < low:
                raise UserError(f"{name}={value} is too small; give {low} or more")
        torch.set_num_threads(threads)
        self._torch = torch
        self.body, self.mode, self.seed, self.flow_steps = body, mode, seed, flow_steps
        self.execute, self.inpaint, self.words_decide = execute, inpaint, words_decide
        self.candidates = candidates
        self.execute_rows = execute if mode == "visuomotor" else None  # a skill's chunk is its whole motion
        self.model = from_pretrained(weights) if model is None else model
        if precision not in PRECISIONS:
            raise UserError(f"unknown precision {precision!r}; choose from {', '.join(PRECISIONS)}")
        if precision != "fp32" and self.model.config.backbone == "tiny":
            raise UserError(
                f"precision={precision} is for backbones that others trained; the tiny one was taught to answer in fp32"
            )
        if precision == "bf16":
            self.model.backbone.halve()
        elif precision == "int8":
            self.model.backbone.narrow()
        self.grammar = Grammar(self.model.words)
        self.normalisation = Normalisation.from_dict(self.model.config.statistics)
        spec = body.spec
        check_fit(self.model, mode, {name: (c.width, c.height) for name, c in spec.cameras.items()}, spec.states)
        self.reset()

    def reset(self) -> None:
        self._seen: tuple[Observation, Look] | None = None
        self._frames: list[dict[str, Tensor]] = []  # of models that are shown a past: one a moment, the newest last
        self._goal, self._wanted = "", list[str]()  # the goal, and the jobs that it comes to
        self._met: frozenset[str] = frozenset()  # things listed since the start: they keep their names
        self._sure: dict[str, float] = {}  # how surely each thing was found, when it was seen last
        self._table: Listing = {}  # what lies where, as seen last or, of what is hidden, as it was left
        self._moving: tuple[Step, ActionChunk] | None = None
        self._step: tuple[Step, Floats, float] | None = None  # the current step, what it goes for, when it began
        self._held = skills.Held()
        self._rows: Floats | None = None  # of the last chunk, base frame, with progress
        self._due = 0  # how many of them are still to come
        self._noise = self._torch.Generator().manual_seed(self.seed)

    def look(self, obs: Observation) -> Look:
        """The model's reading of this observation, shared by all questions about it, which begins with the listing of
        what was found: plans and verdicts then hang on words that can be read, not on the picture alone."""
        look = self._glance(obs)
        if not look.told:
            from embodied.model.lessons import ALL
            from policies.goals import write

            found = [one for one in look.find(self._met) if not self._met or one.name in self._met or one.p > NEWCOMER]
            self._met |= {one.name for one in found}
            self._sure |= {one.name: one.p for one in found}
            self._table = remembered(found, self._table)
            look.note(ALL, write(self._table))
        return look

    def _glance(self, obs: Observation) -> Look:
        """The observation, encoded."""
        from embodied.model.decode import Look

        if self._seen is None or self._seen[0] is not obs:
            torch, config = self._torch, self.model.config
            images = {}
            for camera in config.cameras:
                if camera not in obs.images:
                    there = ", ".join(obs.images) or "none"
                    raise UserError(f"camera {camera!r} is missing from the observation; it has {there}")
                images[camera] = torch.from_numpy(np.ascontiguousarray(obs.images[camera]))[None]
            if config.history > 1:
                from embodied.data.snapshots import past

                # A moment that is looked at again is still one moment.
                self._frames = [*self._frames[-config.history : -1], images]
                shown = [self._frames[k] for k in past(len(self._frames) - 1, config.history)]
                images = {camera: torch.stack([one[camera] for one in shown], 1) for camera in images}
            states = {s: torch.from_numpy(self.normalisation.normalise(s, obs.states[s]))[None] for s in config.states}
            depth = {
                camera: torch.from_numpy(np.ascontiguousarray(obs.depth[camera]))[None]
                for camera in config.cameras
                if camera in obs.depth
            }
            self._seen = (obs, Look(self.model, images, states, depth))
        return self._seen[1]

    def scene(self, obs: Observation) -> str:
        """What lies where, as the model sees it: one thing a line with its location and what it lies on."""
        look = self.look(obs)
        return self.model.words.decode(look.noted).replace("> <", "><")

    def answer(self, obs: Observation, question: str, shots: Sequence[Shot] = ()) -> str:
        """A short answer to a question about the table, in the model's own words. shots: solved examples that the prompt begins
        with; each is a moment without a past."""
        from embodied.model.lessons import ask
        from embodied.model.sentence import Example

        look = self.look(obs)
        if shots:
            stranger = copy(self)
            solved = []
            for one in shots:
                stranger.reset()
                solved.append((stranger.look(one.obs), Example(ask(one.question), one.answer)))
            look = look.after(solved)
        ids, _ = look.say(ask(question), lambda _: self.grammar.anything, most=24)
        return self.model.words.decode(ids)

    def plan(self, obs: Observation, goal: str, done: tuple[Step, ...] = ()) -> Plan:
        from policies import goals

        goal = " ".join(goal.split())
        if not goal:
            raise UserError("the goal is empty; say what to do, for example 'put the red block in the blue bowl'")
        if len(goal) > LONGEST:
            raise UserError(f"the goal has {len(goal)} characters, the most is {LONGEST}; say it shorter")
        unclear = (
            f"I do not understand {goal[:60]!r}; ask in English for things on the table, "
            "for example 'pick the red block'"
        )
        if self.model.words.spelled(goal) > FOREIGN:
            return Plan(goal, done, len(done), refusal=unclear)
        look = self._thought(obs)
        camera, hand = self.body.spec.cameras[perceive.CAMERA], obs.states["arm"][-1, :3]
        choice = None
        if self._goal != goal:  # what a sentence asks for stays the same, whatever becomes of the table
            try:
                if self.candidates > 1:
                    from policies import candidates

                    where = self.body.spec, hand, self._sure
                    self._wanted, choice = candidates.choose(look, self.grammar, goal, self.candidates, *where)
                else:
                    self._wanted = goals.jobs(look, self.grammar, goal)
            except goals.Refused as why:
                absent = f"I see no {why} on the table; name a thing that is there"
                return Plan(goal, done, len(done), refusal=absent if str(why) else unclear)
            self._goal = goal
        steps = (
            choice.candidates[choice.chosen].steps
            if choice
            else goals.steps(look, self.grammar, self._wanted, camera, hand)
        )
        return Plan(goal, (*done, *steps), len(done), choice=choice)

    def _thought(self, obs: Observation) -> Look:
        """A look at nothing but the words for what is seen: goals are read as they were learnt, mostly without pictures."""
        from embodied.model.decode import Look
        from embodied.model.lessons import ALL
        from policies.goals import write

        self.look(obs)
        look = Look(self.model, {}, {})
        look.note(ALL, write(self._table))
        return look

    def grounded(self, obs: Observation, step: Step) -> Step:
        """The step with its points found anew in this observation; its old points where the model says <absent>."""
        from embodied.model.lessons import ask_points
        from embodied.model.tokens import ABSENT

        look = self.look(obs)
        allowed = partial(
            self.grammar.points,
            step=self.model.words.encode(step.text),
            count=grammar.points_needed(step.text),
            known=self.grammar.placed(look.noted),
        )
        ids, _ = look.say(ask_points(step.text), allowed)
        if ids and ids[0] == self.model.words[ABSENT]:
            return step
        return replace(step, points=grammar.located(self.model.words.decode(ids).replace(" ", "")))

    def check(self, obs: Observation, step: Step) -> float:
        """Two opinions of the same look: the answer to the question, and what the listing says where it tells; the words
        decide, and the answer says how surely."""
        from embodied.model.lessons import ask_check
        from policies.told import told

        if self._seen is None or self._seen[0] is not obs:  # what is not seen any more is where the step has put it
            self._table = after(self._table, [step], self.body.spec.cameras[perceive.CAMERA])
            self._frames += self._frames[-1:]  # the moment before the step is past; this look takes the copy's place
        p = float(self.look(obs).choose(ask_check(step.text), self.grammar.verdict)[0])
        listing, camera = grammar.read_listing(self.scene(obs)), self.body.spec.cameras[perceive.CAMERA]
        known = step.args[0] in self._met  # that a thing is gone tells nothing where it was never seen
        said = told(step, listing, camera, obs.states["arm"][-1, :3]) if known else None
        return p if said is None or not self.words_decide else (p + 2 * said) / 3

    def act(self, obs: Observation, plan: Plan) -> ActionChunk:
        return self._skill(obs, plan.current) if self.mode == "skills" else self._visuomotor(obs, plan.current)

    def _skill(self, obs: Observation, step: Step) -> ActionChunk:
        dt_s = 1.0 / self.body.spec.action.rate_hz
        if self._moving is not None and self._moving[0] is step:
            self._moving = None
            return ActionChunk(obs.t_s, dt_s, np.zeros((0, len(self.body.spec.action)), np.float32))
        job = perceive.geometry_of_step(self.grounded(obs, step), obs, self.body.spec)
        tempo = Tempo.of(self.body.spec.speeds, self.body.spec.action.rate_hz)
        rows, self._held = skills.motion(job, obs.states["arm"][-1, :5], self._held, tempo)
        chunk = ActionChunk(obs.t_s, dt_s, rows)
        self._moving = (step, chunk)
        return chunk

    def _visuomotor(self, obs: Observation, step: Step) -> ActionChunk:
        from embodied.data.motions import absolute
        from embodied.model.decode import Look
        from embodied.model.lessons import ask_move

        dt_s = 1.0 / self.body.spec.action.rate_hz
        if self._step is None or self._step[0] is not step:
            job = perceive.geometry_of_step(self.grounded(obs, step), obs, self.body.spec)
            self._step, self._rows = (step, aims_of(job, self._held), obs.t_s), None
            self._held = skills.held_after(job, self._held)
        _, aims, began_s = self._step
        hand = obs.states["arm"][-1, :5]
        objects = self._torch.from_numpy(seen_from(aims, hand))[None]
        arm = self._torch.from_numpy(self.normalisation.normalise("arm", obs.states["arm"]))[None]
        look = Look(self.model, {}, {"arm": arm, "objects": objects})
        rows = look.move(ask_move(step.text), self.flow_steps, self._noise, self._committed(hand)).numpy()
        chunk = self.normalisation.denormalise("action", rows)
        if chunk[: self.execute, -1].mean() > NEAR_END or obs.t_s - began_s > LATEST_S:
            self._step = None
            return ActionChunk(obs.t_s, dt_s, np.zeros((0, len(self.body.spec.action)), np.float32))
        moves = absolute(chunk[:, :5], hand)
        self._rows = np.column_stack([moves, chunk[:, 5:]])
        return ActionChunk(obs.t_s, dt_s, self.body.spec.action.clip(moves))

    def upcoming(self, chunk: ActionChunk) -> None:
        """Told by the loop: the rows that it would go on with."""
        self._due = len(chunk.actions)

    def _committed(self, hand: Floats) -> Tensor | None:
        """The rows (1, k, a) of the chunk before that are due now and stay as they are, seen from where the hand is."""
        from embodied.data.motions import relative

        if self._rows is None or not self._due or not self.inpaint:
            return None
        rows = self._rows[-self._due :][: self.inpaint]
        rows = np.column_stack([relative(rows[:, :5], hand), rows[:, 5:]])
        return self._torch.from_numpy(self.normalisation.normalise("action", rows))[None].float()
