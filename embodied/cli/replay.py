"""embodied replay: what a driver would have said over a recorded drive, scored beside the baselines on the same moments."""

from __future__ import annotations

import time
from array import array
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from embodied import film_drive, registry, report_drive
from embodied.cli import parts
from embodied.cli.live import rerun_file
from embodied.cli.run import folder
from embodied.control.loop import Watch
from embodied.data import drives
from embodied.data.video import VideoWriter
from embodied.drive import sample
from embodied.drive.decisions import LOOK_S, STRATA
from embodied.drive.replay import Moment, Replay, Signals
from embodied.drive.scores import ALL, Tally
from embodied.drive.session import replay
from embodied.drive.state import HISTORY_S
from embodied.errors import UserError
from embodied.recipe import setting
from embodied.types import Command, Observation

SPEEDS = ("full", "recorded")
SHORTEST_S = HISTORY_S + LOOK_S


@dataclass
class Settings:
    """Replay a recorded drive: predict, decide, warn at every moment, and score it against what was driven."""

    drive: str = setting("", "file or folder of the recording, or `sample`; also as the first word, without drive=")
    policy: str = setting("network", "who drives: network (learned), network-blind (the same without its pictures), "
                      "network-ego (taught without any), relaxing (the prior they correct), cv, ctrv, ctra, bicycle")  # fmt: skip
    weights: str = setting(
        "", "of the network that sees, and of the same one blind: a folder or a shipped name; empty: the shipped ones"
    )
    task: str = setting(
        "",
        "route command of the drives, such as 'turn left at the junction'; empty: the recording's own, or `drive on`",
    )
    out: str = setting("", "folder for the results; empty: runs/replay-<date and time>")
    source: str = setting("", "which reader: comma2k19, kitti-raw, kitti-oxts, kitti-frames, udacity, donkeycar, frames, video, "
                      "rosbag, lerobot; empty: the first that knows the layout")  # fmt: skip
    columns: str = setting("", "of a CSV: 't_s=stamp[ms], speed=v[km/h], steer=wheel[deg]'; empty: found by name; of a bag's plain "
                       "numbers: 'speed=/car/speed[km/h]'")  # fmt: skip
    topics: str = setting("", "of a bag: 'image=/camera odom=/odom imu=/imu twist=/vel fix=/gps cloud=/points', 'fix=' for none; "
                      "empty: the one of the right type, and no cloud")  # fmt: skip
    camera: str = setting(
        "", "where the recording does not say: 'f=910 height=1.2 pitch=2' (pixels, metres, degrees down)"
    )
    max_gap_s: float = setting(0.5, "longest stretch between two rows that is interpolated, s")
    rate_hz: float = setting(20.0, "frames a second where the recording has no usable times (donkeycar, frames)")
    speed: str = setting("full", "full (as fast as it goes) or recorded")
    only: str = setting("", "of several drives at `drive`, those whose name holds this")
    films: int = setting(1, "how many of the drives to film; 0: none")
    rrd: bool = setting(False, "also write replay.rrd for the rerun viewer (extra `viz`)")


class _Bar(Watch):
    """A progress bar in recorded seconds, and how long the driver takes for a frame."""

    def __init__(self, body: Replay, bar: Any, task: Any) -> None:
        self.body, self._bar, self._task, self._shown = body, bar, task, 0.0
        self._began = time.perf_counter()

    def ticked(self, command: Command, obs: Observation | None) -> None:
        now = time.perf_counter()
        if now - self._shown > 0.2:
            self._shown = now
            pace = self.body.last_s / max(now - self._began, 1e-9)
            told = f"{self.body.drive.name[-40:]}: {self.body.last_s:.0f} s, {pace:.0f} x real time"
            self._bar.update(self._task, description=told)


class Timed:
    """A driver whose answers are timed, ms."""

    def __init__(self, driver: Any, clock: Callable[[], float] = time.perf_counter) -> None:
        self.driver, self.ms, self._clock = driver, array("f"), clock

    def begin(self, spec: Any) -> None:
        self.driver.begin(spec)

    def __call__(self, obs: Observation) -> Any:
        start = self._clock()
        said = self.driver(obs)
        self.ms.append(1000 * (self._clock() - start))
        return said


class _Rerun:
    """replay.rrd: pictures, speed, hazard, and paths over time."""

    def __init__(self, path: Path) -> None:
        self._rr, self._stream = rerun_file(path)

    def add(self, moment: Moment, driver: str) -> None:
        self._stream.set_time("drive", duration=moment.t_s)
        if moment.picture is not None:
            self._stream.log("camera", self._rr.Image(moment.picture).compress())
        for name, said in moment.said.items():
            self._stream.log(f"paths/{name}", self._rr.LineStrips2D([said.path]))
        if len(moment.future):
            self._stream.log("paths/driven", self._rr.LineStrips2D([moment.future[:, :2]]))
        self._stream.log("speed", self._rr.Scalars(moment.speed))
        self._stream.log("hazard", self._rr.Scalars(moment.said[driver].hazard))
        self._stream.log("decision", self._rr.TextLog(moment.said[driver].decision))

    def close(self) -> None:
        self._stream.disconnect()


def _found(settings: Settings) -> tuple[drives.Drive, ...]:
    if not settings.drive:
        raise UserError("which drive? give its file or folder, for example: embodied replay drives/monday")
    reading = drives.Reading(settings.columns, settings.max_gap_s, settings.rate_hz, settings.topics, settings.camera)
    for name in ("max_gap_s", "rate_hz"):
        if not getattr(settings, name) > 0:
            raise UserError(f"{name}={getattr(settings, name):g} must be above 0")
    if settings.films < 0:
        raise UserError(f"films={settings.films} must be 0 or more")
    if settings.source:
        registry.part("drive", settings.source)
    where = sample() if settings.drive == "sample" else settings.drive
    found = [d for d in drives.read(where, settings.source, reading) if settings.only in d.name]
    if not found:
        raise UserError(f"no drive at {settings.drive!r} has {settings.only!r} in its name; leave out only=")
    if settings.task:
        found = [replace(d, spec=replace(d.spec, facts={**d.spec.facts, "task": settings.task})) for d in found]
    return tuple(found)


def _driver(name: str, settings: Settings) -> Any:
    """A driver by name. weights= are those of the chosen policy, and of the network that sees when it drives with its eyes shut."""
    pair = ("network", "network-blind")
    given = settings.weights and (name == settings.policy or {name, settings.policy} == set(pair))
    return registry.build("driver", name, **({"weights": settings.weights} if given else {}))


def _beside(names: Iterable[str], settings: Settings) -> tuple[list[str], list[str]]:
    """Those that can be asked here, and why the others cannot: a baseline needs no torch, and no weights."""
    there, notes = list[str](), list[str]()
    for name in names:
        try:
            _driver(name, settings)
            there.append(name)
        except (UserError, ImportError) as fault:
            notes.append(f"{name} is not beside it: {fault}")
    return there, notes


def main(settings: Settings, chosen: dict[str, str]) -> int:
    parts.check_choice("speed", settings.speed, SPEEDS)
    drivers = parts.outside("policies.drivers")
    registry.part("driver", settings.policy)
    found = _found(settings)
    out = folder(settings.out, "replay-")
    tally, signals, timed = Tally(), Signals(), Timed(_driver(settings.policy, settings))
    others = [name for name in (*drivers.BASELINES, *drivers.LEARNED) if name != settings.policy]
    beside, notes = _beside(others, settings)
    films, seconds, began = list[str](), 0.0, time.perf_counter()
    with ExitStack() as closing:
        timeline = closing.enter_context(report_drive.Timeline(out / report_drive.TIMELINE, [settings.policy, *beside]))
        rerun = _Rerun(out / "replay.rrd") if settings.rrd else None
        bar = closing.enter_context(_bar())
        task = bar.add_task("", total=len(found) if len(found) > 1 else None)  # how long a drive is is known at its end
        for k, drive in enumerate(found):
            film = None
            if k < settings.films:
                name = "replay.mp4" if len(found) == 1 else f"replay-{k}.mp4"
                film = VideoWriter(out / name, film_drive.FPS, film_drive.WIDTH + film_drive.PANEL, film_drive.HEIGHT)
                films.append(name)
            note = "" if drive.has_pose else "no place: scored along the track alone"
            note = note if drive.has_speed else "no telemetry: path at a predicted or assumed speed"

            def scored(moment: Moment, drive: Any = drive, film: Any = film, note: str = note) -> None:
                timeline.add(drive.name, moment)
                if film is not None:
                    film.add(film_drive.frame(moment, drive.spec.cameras.get("front"), settings.policy, note))
                if rerun is not None:
                    rerun.add(moment, settings.policy)

            wants = film is not None or rerun is not None
            body = Replay(
                drive, {name: _driver(name, settings) for name in beside}, settings.policy, tally, signals, scored,
                film_drive.shrink if wants else None, 1.0 if settings.speed == "recorded" else 0.0,
            )  # fmt: skip
            policy = drivers.Driving(timed, body.spec)
            body.reason = lambda policy=policy: policy.said.reason if policy.said else ""
            try:
                ended = replay(body, policy, _Bar(body, bar, task))
            finally:
                if film is not None:
                    film.close()
            if ended.reason != "finished":
                raise UserError(f"the replay of {drive.name} stopped ({ended.reason}): {ended.error}")
            seconds += body.last_s
            notes += _notes(drive, body)
            if strange := getattr(timed.driver, "strange", 0):
                shown = timed.driver.shown
                notes.append(
                    f"{strange} of {shown} pictures are unlike those that {settings.policy} was taught with and were not used"
                )
            drove = (timed.driver, *body.beside.values())
            if unread := dict.fromkeys(word for driver in drove for word in getattr(driver, "unread", ())):
                notes.append(
                    f"task={drive.spec.facts['task']!r}: the networks do not know {', '.join(unread)}; they were taught commands "
                    "such as 'turn left at the junction', up to 12 words long"
                )
            bar.update(task, advance=1)
        if rerun is not None:
            rerun.close()
    report = _report(settings, found, tally, signals, timed.ms, seconds, time.perf_counter() - began)
    report |= {"notes": list(dict.fromkeys(notes)), "films": films, "plans": timeline.plans}
    report_drive.write(out, report)
    print(report_drive.markdown(report))
    print(f"see {out}/report.html")
    return 0


def _bar() -> Any:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    return Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())


def _notes(drive: drives.Drive, body: Replay) -> list[str]:
    """What a reader of the figures must know. UserError for a drive that is too short to say anything."""
    if body.last_s < SHORTEST_S:
        raise UserError(
            f"the drive {drive.name!r} is {body.last_s:.1f} s long, shorter than the {SHORTEST_S:g} s that one moment needs "
            f"({HISTORY_S:g} s of past, {LOOK_S:g} s of future); give a longer one"
        )
    told = []
    facts = drive.spec.facts
    if not drive.has_speed:
        told.append(
            "NO TELEMETRY: nothing is scored; paths are at a speed that a network reads off pictures it knows, else at 10 m/s"
        )
    elif not drive.has_pose:
        told.append(
            "NO PLACE: the recording tells how fast the car was and not where; scored are the way along its track, speed, "
            "acceleration, and keep, accelerate, brake or stop, but not across, curvature and turns"
        )
    for name in ("pose", "speed", "camera", "time"):
        if "assumed" in facts.get(name, "") or (name in ("pose", "speed") and name in facts):
            told.append(f"{name}: {facts[name]}")
    return told


def _report(
    settings: Settings, found: tuple[drives.Drive, ...], tally: Tally, signals: Signals, ms: array[float], seconds: float,
    took_s: float,
) -> dict[str, Any]:  # fmt: skip
    names = tally.drivers()
    told = {
        name: {
            "strata": {s: row for s in (ALL, *STRATA) if (row := tally.summary(name, s))["n"]},
            "hazard": asdict(signals.hazard(name)),
            "onsets": signals.onsets(name),
        }
        for name in names
    }
    label = found[0].name if len(found) == 1 else f"{len(found)} drives of {Path(settings.drive).name}"
    about = {
        "drives": label,
        "reader": found[0].spec.facts["source"],
        "policy": settings.policy,
        "recorded_s": round(seconds, 1),
        "moments": len(signals.times),
        "times_real_time": round(seconds / max(took_s, 1e-9), 1),
        "policy_ms_median": round(float(np.median(ms)), 3) if ms else None,
    }
    return {"about": about, "drivers": told}
