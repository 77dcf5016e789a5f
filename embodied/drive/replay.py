"""A recorded drive as a Body: `apply` scores a forecast instead of moving, and time goes on as it was recorded.

A forecast waits until its future has been replayed, at most 6 s, and then it is scored and forgotten: memory does not grow
with the drive. Scored moments are 0.1 s apart, whatever the recording's rate, and begin 1.5 s into it, so that every filter
has its past; a moment with less than 3 s left is not scored. All drivers are scored on the same moments. A drive that tells a
speed and no place is scored along its track alone.
"""

from __future__ import annotations

import time
from array import array
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from embodied.data.drives import DECISIONS, TTC_MAX_S, Drive
from embodied.drive import decisions, forecast, hazard, paths
from embodied.drive.forecast import Driver, Forecast
from embodied.drive.paths import HORIZON_S, RATE_HZ, Floats
from embodied.drive.scores import Tally
from embodied.drive.state import HISTORY_S, Past
from embodied.errors import UserError
from embodied.spec import BodySpec, Channels
from embodied.types import Command, Image, Observation

SCORED_S = decisions.LOOK_S
CLOCK = Channels(("before_now",), ("s",), (-60.0,), (0.0,), RATE_HZ)


@dataclass
class Moment:
    """A scored moment. said: driver -> forecast.  future: (n, 3) recorded path, vehicle frame; (0, 3) where no place was recorded.
    ego: channel -> newest value.  errors: driver -> (len(METRICS),).  hazard, ttc_s: the label, NaN where the drive has none.
    decision: the true one.  stratum: one of STRATA.  picture: of the film's size, where one is made."""

    t_s: float
    pose: Floats
    speed: float
    ego: dict[str, float]
    said: dict[str, Forecast]
    hazard: float = np.nan
    ttc_s: float = np.nan
    decision: str = ""
    stratum: str = ""
    picture: Image | None = None
    future: Floats = field(default_factory=lambda: np.zeros((0, 3)))
    errors: dict[str, Floats] = field(default_factory=dict[str, Floats])


class Signals:
    """Hazard signals and decisions of the scored moments, in the order of time: 19 bytes a moment and 5 more a driver."""

    def __init__(self) -> None:
        self.times, self.labels, self.ttc, self.true = array("d"), array("f"), array("f"), array("b")
        self.scores: dict[str, array[float]] = {}
        self.said: dict[str, array[int]] = {}
        self._drives = 0

    def begin(self) -> None:
        """Another drive: its moments lie far behind the last one's, so that nothing reaches across."""
        self._drives += 1

    def add(self, moment: Moment) -> None:
        self.times.append(moment.t_s + 1e6 * self._drives)
        self.labels.append(moment.hazard)
        self.ttc.append(moment.ttc_s)
        self.true.append(DECISIONS.index(moment.decision))
        for name, said in moment.said.items():
            self.scores.setdefault(name, array("f")).append(said.hazard)
            self.said.setdefault(name, array("b")).append(DECISIONS.index(said.decision))

    @property
    def labelled(self) -> bool:
        """Whether any moment has a hazard label."""
        return bool(np.isfinite(np.array(self.labels)).any())

    def hazard(self, driver: str) -> hazard.HazardScores:
        """Over the moments that have a label."""
        labels = np.array(self.labels)
        there = np.isfinite(labels)
        times, scores = np.array(self.times)[there], np.array(self.scores[driver], float)[there]
        return hazard.score(times, scores, labels[there] > 0.5, np.array(self.ttc, float)[there])

    def onsets(self, driver: str) -> dict[str, float]:
        """Mean delay (s), number of onsets and of those missed."""
        true, said = ([DECISIONS[k] for k in row] for row in (self.true, self.said[driver]))
        delays, missed = decisions.onset_delays(np.array(self.times), true, said)
        mean = float(np.mean(delays)) if delays else float("nan")
        return {"delay_s": mean, "onsets": len(delays) + missed, "missed": missed}


class Replay:
    """embodied.protocols.Body of a drive. beside: drivers that are asked at the same moments, by name, and from the first one on,
    so that they remember as much as the other.

    scored: told of every moment whose future is known, in order.  shrink: makes the film's picture of a frame; without it
    moments have none.  pace: recorded seconds a second of the wall clock; 0: as fast as it goes.  driver: the name under
    which commands are scored.  UserError from `reset` and `apply` where the recording is at fault."""

    def __init__(
        self, drive: Drive, beside: Mapping[str, Driver] | None = None, driver: str = "policy", tally: Tally | None = None,
        signals: Signals | None = None, scored: Callable[[Moment], None] | None = None,
        shrink: Callable[[Image], Image] | None = None, pace: float = 0.0,
    ) -> None:  # fmt: skip
        self.drive, self.beside, self.driver, self.pace = drive, dict(beside or {}), driver, pace
        self.tally, self.signals = tally or Tally(), signals or Signals()
        self._tell, self._shrink = scored or (lambda moment: None), shrink
        seen = {name: channels for name, channels in drive.spec.states.items() if name == "ego"}
        rate_hz = drive.spec.action.rate_hz
        action = forecast.channels(rate_hz)
        self.spec = BodySpec(drive.spec.name, drive.spec.cameras, {**seen, "clock": CLOCK}, action, drive.spec.facts)
        self.reason: Callable[[], str] = lambda: ""
        self.moments, self.last_s = 0, 0.0

    # --- Body

    def reset(self, seed: int | None = None) -> Observation:
        """From the beginning; the seed means nothing to a recording."""
        self._stream: Iterator[Observation] = self.drive.stream()
        self._past = Past()
        self._poses: deque[Floats] = deque()  # t x y yaw, from the oldest waiting moment on
        self._speed = 0.0  # the newest one, where it is all that tells how far the car is
        self._waiting: deque[Moment] = deque()
        self.ended = False
        self.signals.begin()
        for driver in self.beside.values():
            driver.begin(self.spec)
        first = next(self._stream, None)
        if first is None:
            raise UserError(
                f"the drive {self.drive.name!r} has no moment where all its parts are recorded; copy it whole"
            )
        self._first_s, self._due_s, self._began = first.t_s, first.t_s + HISTORY_S, time.monotonic()
        self._early_s = first.t_s
        self._take(first)
        return self.observe()

    def observe(self) -> Observation:
        return self._obs

    def apply(self, command: Command) -> Command:
        """Note the forecast of this moment and go on to the next; at the end of the recording `ended` is set."""
        now = self._now
        if now.t_s >= self._due_s - 1e-6:
            self._due_s = max(self._due_s + 1 / RATE_HZ, now.t_s)
            self._note(now, forecast.unpack(command.values))
        elif now.t_s < self._first_s + HISTORY_S and now.t_s >= self._early_s - 1e-6:
            self._early_s = max(self._early_s + 1 / RATE_HZ, now.t_s)
            for driver in self.beside.values():
                driver(self._obs)
        following = next(self._stream, None)
        if following is None:
            self._settle(everything=True)
            self.ended = True
        else:
            self._take(following)
            self._settle()
        return command

    def close(self) -> None:
        pass

    # --- inside

    def _take(self, now: Observation) -> None:
        self._now, self.last_s = now, now.t_s
        self._past.add(now.t_s, now.states["ego"][-1] if "ego" in self.spec.states else None)
        if "pose" in now.states:
            self._poses.append(np.append(now.t_s, np.asarray(now.states["pose"][-1], float)))
        elif self.drive.has_speed:
            self._poses.append(self._along(now))
        self._obs = Observation(now.t_s, now.images, self._past.states())
        if self.pace > 0:
            time.sleep(max(0.0, (now.t_s - self._first_s) / self.pace - (time.monotonic() - self._began)))

    def _along(self, now: Observation) -> Floats:
        """(t, way driven, 0, 0) by the trapezoids of the speed."""
        speed = float(now.states["ego"][-1, self.spec.states["ego"].names.index("speed")])
        t_s, way = self._poses[-1][:2] if self._poses else (now.t_s, 0.0)
        way += (now.t_s - t_s) * (self._speed + speed) / 2
        self._speed = speed
        return np.array([now.t_s, way, 0.0, 0.0])

    def _note(self, now: Observation, said: Forecast) -> None:
        names = self.spec.states["ego"].names if "ego" in self.spec.states else ()
        ego = dict(zip(names, map(float, now.states["ego"][-1]), strict=True)) if names else {}
        voices = {self.driver: replace(said, reason=self.reason())}
        voices |= {name: driver(self._obs) for name, driver in self.beside.items()}
        pose = self._poses[-1][1:] if self._poses else np.zeros(3)
        moment = Moment(now.t_s, pose, ego.get("speed", 0.0), ego, voices)
        if "truth" in now.states:
            decided, danger, ttc, _ = map(float, now.states["truth"][-1])
            moment.decision, moment.hazard, moment.ttc_s = DECISIONS[round(decided)], danger, min(ttc, TTC_MAX_S)
        camera = next(iter(self.spec.cameras), "")
        if self._shrink is not None and camera in now.images:
            moment.picture = self._shrink(now.images[camera])
        self._waiting.append(moment)

    def _settle(self, everything: bool = False) -> None:
        """Score the moments whose future has come, or whatever is left of it."""
        while self._waiting and (everything or self.last_s >= self._waiting[0].t_s + HORIZON_S):
            moment = self._waiting.popleft()
            if self._poses:
                self._score(moment)
            self._tell(moment)
            oldest = self._waiting[0].t_s if self._waiting else self.last_s
            while len(self._poses) > 1 and self._poses[1][0] <= oldest:
                self._poses.popleft()

    def _score(self, moment: Moment) -> None:
        recorded, along = np.array(self._poses), not self.drive.has_pose
        future = paths.future(recorded[:, 0], recorded[:, 1:], moment.t_s, moment.pose)
        if not along:  # a way is nothing to draw on the road
            moment.future = future
        if len(future) < round(SCORED_S * RATE_HZ) or "speed" not in moment.ego:
            return
        moment.stratum = decisions.stratum(future, moment.speed)
        moment.decision = moment.decision or decisions.decision(future, moment.speed)
        voices = moment.said
        if along:
            voices = {name: decisions.along_track(said, moment.speed) for name, said in voices.items()}
        for name, said in voices.items():
            args = (name, self.drive.name, moment.t_s, said, future, moment.speed, moment.decision, along)
            moment.errors[name] = self.tally.add(*args)
        self.signals.add(replace(moment, said=voices))
        self.moments += 1
