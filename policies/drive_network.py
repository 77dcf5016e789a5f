"""The network as a driver of recorded drives and of the simulator's road: what it saw lately in, a forecast out.

`network` reads everything, `network-blind` is the same weights with the picture taken away, `network-ego` was taught without any.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from embodied.data.drives import DECISIONS, REASONS, TTC_MAX_S
from embodied.drive import above, decisions
from embodied.drive.following import follows, warned
from embodied.drive.forecast import Forecast
from embodied.drive.paths import MIDDLES, unroll
from embodied.drive.senses import Sensed, sense
from embodied.drive.view import HEIGHT, WIDTH, view
from embodied.registry import register
from embodied.spec import BodySpec
from embodied.types import Image, Observation
from policies.drivers import NOMINAL_MPS, measured
from policies.route_words import unread

if TYPE_CHECKING:
    from embodied.model.driving import DrivingModel, Said

DANGER = 0.5  # of the hazard, from which on a reason is told
KEPT_S = 3.0  # of the pictures
NEIGHBOURS = 40  # pictures, the newest last: where most are strange one that is not is so by chance
PACES = 15  # speeds read off pictures whose median counts


@dataclass(frozen=True)
class _Shot:
    """views: "pictures" and "scans", what there is of them."""

    t_s: float
    views: dict[str, Image]


class Network:
    """embodied.drive.forecast.Driver. looks: False takes the picture away.  follows: False tells it the speed of now and nothing
    of how the car has moved: who drives by its own past goes on as before (de Haan et al. 2019, arXiv 1905.11979).
    unseeing: weights of a network that was taught without pictures and answers where there is none, or a strange one.
    graph: whether it is asked as one graph (embodied.model.traced).  remembers: False takes the memory away.  scans: whether
    it reads a lidar."""

    def __init__(
        self,
        weights: str,
        looks: bool = True,
        follows: bool = True,
        unseeing: str = "",
        graph: bool = True,
        remembers: bool = True,
    ) -> None:
        import torch

        from embodied.model import driving, memory
        from embodied.model.driving_weights import shared
        from embodied.model.traced import traced

        torch.set_num_threads(1)  # its operations are too small to be shared: on a busy machine one waits for the other
        self._torch, self._driving, self._memory = torch, driving, memory
        self._asked: Callable[[Any], Any] = traced if graph else lambda model: model
        self._model = shared(weights)
        self._blind = shared(unseeing) if unseeing else self._model
        self._looks, self._follows = looks and self._model.config.sees, follows
        self.scans = looks and self._model.config.lidar
        self._remembers = remembers and self._model.config.remembers
        self._names: tuple[str, ...] = ()
        self.shown, self.strange = 0, 0  # pictures, and those of them that were unlike training's and not used
        self._warmed: set[bool] = set() if graph else {False, True}
        self._states: deque[tuple[float, Any]] = deque()  # of memory, after the look at that time
        self.say("")
        self._warm(False)

    def _warm(self, scans: bool) -> None:
        """Ask every graph, with a lidar or without, for nothing: traced, then optimised; seconds that a car under way has not."""
        if scans in self._warmed:
            return
        sensed, shots = sense(np.zeros((1, 1)), np.zeros(1), ("speed",)), self._driving.SHOTS
        sizes = {"pictures": (HEIGHT, WIDTH)} if self._looks else {}
        sizes |= {"scans": (above.ROWS, above.COLUMNS)} if scans else {}
        shown = {name: np.zeros((1, *size, 3 * shots), np.uint8) for name, size in sizes.items()}
        for _ in range(2):
            self._ask(self._blind, sensed)
            for names in (names for count in range(1, len(sizes) + 1) for names in combinations(sizes, count)):
                ages = np.zeros((1, shots - 1), np.float32)
                self._ask(
                    self._model, sensed, **self._state(0.0, {"ages": ages} | {name: shown[name] for name in names})
                )
        self._warmed.add(scans)

    def begin(self, spec: BodySpec) -> None:
        states = measured(spec)
        self._names = states["ego"].names if "ego" in states else ()
        self._camera = next(iter(spec.cameras), "") if self._looks else ""
        self._spec = spec.cameras.get(self._camera)
        self._scanned = self.scans and spec.facts.get(above.NAME) == above.SAID
        self.say(spec.facts.get("task", ""))
        self._warm(self._scanned)
        self._shots: deque[_Shot] = deque()
        self._paces: deque[float] = deque(maxlen=PACES)
        self._known: deque[bool] = deque(maxlen=NEIGHBOURS)
        self._states.clear()

    def say(self, command: str) -> None:
        """The route command from here on; "" drives on. unread: words of it that mean nothing to the network."""
        self.unread = unread(command, self._model.words, self._driving.WORDS)
        self._commands = {id(m): m.command(command or "drive on")[None] for m in (self._model, self._blind)}

    def __call__(self, obs: Observation) -> Forecast:
        seen = self._look(obs)
        clock, names = np.asarray(obs.states["clock"])[:, 0], self._names
        if "speed" in names:
            rows = obs.states["ego"]
        elif (pace := self._pace(seen.get("pictures"))) is not None:
            rows, names = np.full((len(clock), 1), pace), ("speed",)
        else:
            return Forecast(unroll(np.full_like(MIDDLES, NOMINAL_MPS), np.zeros_like(MIDDLES)))
        if not self._follows:
            rows, names = np.full((len(rows), 1), rows[-1, names.index("speed")]), ("speed",)
        sensed = sense(rows, clock, names)
        if not seen:
            return self._unseeing(sensed)
        said = self._ask(self._model, sensed, **self._state(obs.t_s, seen))
        if "pictures" in seen and self._note(bool(said.known[0])):
            if said.memory is not None:
                self._states.append((obs.t_s, said.memory))
        elif "pictures" in seen and said.known[0]:
            seen.pop("pictures")
            if "scans" not in seen:
                return self._unseeing(sensed)
            said = self._ask(self._model, sensed, **seen)
        if said.used[0]:
            return warned(_forecast(said), sensed.drawn)
        return self._unseeing(sensed, said if self._blind is self._model else None)

    def _unseeing(self, sensed: Sensed, said: Said | None = None) -> Forecast:
        """Of motion alone. Where the car ahead is measured, which no network was taught, the speeds are the prior's, along the road
        that the network says."""
        said = self._ask(self._blind, sensed) if said is None else said
        made = _forecast(said)
        if follows(sensed.drawn) and said.road is not None:
            path = said.road[0].numpy().astype(float)
            made = replace(made, path=path, decision=decisions.decision(path, sensed.drawn.speed), others=())
        return warned(made, sensed.drawn)

    def _trusts(self, known: bool) -> bool:
        """Whether the next picture is to be used: one that is neither strange nor among strange ones."""
        around = [*self._known, known][-NEIGHBOURS:]
        return known and 2 * sum(around) >= len(around)

    def _note(self, known: bool) -> bool:
        """Count a picture; whether it is to be used."""
        trusted = self._trusts(known)
        self._known.append(known)
        self.shown, self.strange = self.shown + 1, self.strange + (not trusted)
        return trusted

    def _look(self, obs: Observation) -> dict[str, Any]:
        """What there is of pictures (1, H, W, 3 SHOTS), newest first, and scans of a lidar, after the ages of the older ones
        (1, SHOTS - 1); empty without either. A scan from which nothing came back is none."""
        views: dict[str, Image] = {}
        if self._camera and self._camera in obs.images:
            views["pictures"] = view(obs.images[self._camera], self._spec)
        if self._scanned and above.NAME in obs.images and obs.images[above.NAME].any():
            views["scans"] = obs.images[above.NAME]
        if not views:
            return {}
        self._shots.append(_Shot(obs.t_s, views))
        while self._shots[0].t_s < obs.t_s - KEPT_S:
            self._shots.popleft()
        wanted = [obs.t_s - k * self._driving.AGE_S for k in range(self._driving.SHOTS)]
        whole = [shot for shot in self._shots if views.keys() <= shot.views.keys()]
        chosen = [min(whole, key=lambda shot: abs(shot.t_s - t_s)) for t_s in wanted]
        made = {name: np.concatenate([shot.views[name] for shot in chosen], -1)[None] for name in views}
        return {"ages": np.array([[obs.t_s - shot.t_s for shot in chosen[1:]]], np.float32), **made}

    def _state(self, now_s: float, seen: dict[str, Any]) -> dict[str, Any]:
        """What is seen, with the state of memory of STEP_S ago where a picture can be remembered."""
        if not self._remembers or "pictures" not in seen or "scans" in seen:  # nobody taught it what a lidar changes
            return seen
        step_s, early_s = self._memory.STEP_S, self._memory.EARLY_S
        while self._states and self._states[0][0] < now_s - 2 * step_s - early_s:
            self._states.popleft()
        old = [state for t_s, state in self._states if t_s <= now_s - step_s + early_s]
        return seen | {"remembered": (old[-1] if old else self._model.memory.nothing(1)).numpy()}

    def _pace(self, pictures: Any) -> float | None:
        """The speed that the last pictures show, m/s; None where they are none, or strange."""
        if pictures is None:
            return None
        with self._torch.inference_mode():
            features, tokens, _ = self._model.look(self._torch.from_numpy(pictures))
            known = bool(self._model.familiar(features[0])[0])
            if not self._trusts(known):
                self._note(known)
                return None
            self._paces.append(float(self._model.pace(tokens)[0]))
        return float(np.median(self._paces))

    def _ask(self, model: DrivingModel, sensed: Sensed, **seen: Any) -> Said:
        tensor = self._torch.from_numpy
        rows = {name: getattr(sensed, name)[None] for name in ("series", "now", "speed", "yaw_rate", "path")}
        with self._torch.inference_mode():
            given = {name: tensor(one) for name, one in (rows | seen).items()}
            return self._asked(model)(command=self._commands[id(model)], **given)


def _forecast(said: Said) -> Forecast:
    """Of the first row."""
    from embodied.model.driving import HAZARD, TTC_S

    p, paths = said.log_p[0].exp().numpy().astype(float), said.paths[0].numpy().astype(float)
    best = int(p.argmax())
    within = np.minimum.accumulate(said.ttc[0].sigmoid().numpy().astype(float)[::-1])[::-1]
    # the median of the time to collision: where "within t" passes one half
    over = np.flatnonzero(within >= 0.5)
    ttc = TTC_MAX_S
    if len(over):
        k = int(over[0])
        before = (0.0, 0.0) if k == 0 else (TTC_S[k - 1], within[k - 1])
        ttc = before[0] + (TTC_S[k] - before[0]) * (0.5 - before[1]) / max(within[k] - before[1], 1e-6)
    hazard = float(within[HAZARD])
    reason = REASONS[1 + int(said.reasons[0, 1:].argmax())] if hazard >= DANGER else ""
    others = tuple((float(p[k]), paths[k]) for k in range(len(p)) if k != best)
    return Forecast(paths[best], DECISIONS[int(said.decisions[0].argmax())], hazard, float(ttc), reason, others)


@register("driver", "network")
def network(weights: str = "road", remembers: bool = True) -> Network:
    """The learned driver: command, motion and pictures; by motion alone where there are none that it knows."""
    return Network(weights, unseeing="road-ego", remembers=remembers)


@register("driver", "network-blind")
def network_blind(weights: str = "road") -> Network:
    """The same weights with the picture taken away."""
    return Network(weights, looks=False)


@register("driver", "network-ego")
def network_ego(weights: str = "road-ego") -> Network:
    """A network that was taught without pictures."""
    return Network(weights)
