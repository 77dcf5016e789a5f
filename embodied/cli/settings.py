"""What each command can be told: one dataclass a command, Hydra's schema and the help text at once.

`help` in a field's metadata is the line that `embodied <command> --help` prints. A field typed Any is a config group:
its name picks a registered part (`policy=expert`) or a file of embodied/conf (`suite=tabletop`), its settings follow as
`policy.<key>=value`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from omegaconf import MISSING

from embodied.recipe import setting


def groups(**chosen: str) -> Any:
    """Hydra's defaults list: the command's own keys, then one choice for each group."""
    return field(default_factory=lambda: ["_self_", *({name: choice} for name, choice in chosen.items())])


@dataclass
class Run:
    """Read one sentence, plan, act, check, plan again; writes episode.mp4 and plan.json."""

    goal: str | None = setting(None, "what to do, in English; without it, the task's own sentence")
    task: str = setting(
        "", "whose scene to lay; without it, a table for the goal, or a compound task (see `embodied tasks`)"
    )
    seed: int = setting(3, "which scene of that task; the same seed gives the same episode")
    split: str = setting("seen", "which part of the scenes: train, seen, pairs, phrasings, compositions, distractors")
    mode: str = setting(
        "skills", "how steps are carried out: skills (motion at the grounded point) or visuomotor (flow head)"
    )
    weights: str = setting("tabletop", "name of shipped weights (see `embodied weights`) or a folder")
    disturb: float = setting(
        0.0, "probability that an episode is disturbed: a thing moved or knocked, a grasp that slips"
    )
    replan: bool = setting(True, "plan again when a step failed")
    budget_s: float = setting(180.0, "stop after this much time of the episode, s")
    realtime: bool = setting(
        False, "keep to the wall clock and control on while the policy thinks; else the world waits for it"
    )
    robot: str = setting("panda", "which robot")
    gui: bool = setting(False, "show the simulator's window")
    picture: str = setting("", "for a goal that says `draw ...`: the picture or SVG that the arm draws")
    out: str = setting("", "folder for the results; empty: runs/<date and time>")
    gif: bool = setting(False, "also write episode.gif, half the size and frame rate of the film")
    rrd: bool = setting(False, "also write episode.rrd for the rerun viewer (extra `viz`)")
    defaults: list[Any] = groups(policy="planner")
    policy: Any = setting(
        MISSING, "who plans and acts: planner (learned), expert (scripted, sees the simulator's facts)"
    )


@dataclass
class Evaluate:
    """Run many episodes of every task and report success with intervals; resumable. suite=drive, suite=highway: on the road."""

    episodes: int = setting(100, "episodes of each task")
    seed: int = setting(0, "which episodes; training never uses them, whatever the number")
    split: str = setting(
        "seen", "seen, pairs, phrasings, compositions, distractors (docs/tasks.md says what each holds)"
    )
    task: str = setting("", "only these tasks of the suite, separated by commas")
    mode: str = setting("skills", "skills or visuomotor")
    weights: str = setting("", "name of shipped weights or a folder; empty: the suite's own")
    disturb: float = setting(0.0, "probability that an episode is disturbed")
    replan: bool = setting(True, "plan again when a step failed; false measures the same policy without it")
    instructions: str = setting("", "YAML file of your own language templates, in place of the built-in ones")
    budget_s: float = setting(180.0, "stop an episode after this much of its time, s")
    robot: str = setting("panda", "which robot")
    processes: int = setting(0, "worker processes; 0: one per core")
    videos: int = setting(3, "how many failures of each task to film")
    out: str = setting("", "folder for the report; empty: runs/evaluate-<date and time>; an unfinished one is resumed")
    scenes: int = setting(1000, "of suite=tamp, board, failures, affordance, scenes: how many tables")
    input: str = setting("state", "of tamp: state (object vectors), objects (what is found in the picture), picture")
    count: str = setting("3-5", "of tamp: cubes on a table: 3-5, as in training, 6, 8")
    goals: str = setting("trained", "of tamp: trained, unseen (goals never trained), german, russian")
    unseen: bool = setting(False, "of tamp: tables with cubes in colours never trained")
    finder: str = setting("cubes", "of tamp with input=objects: whose finder looks, shipped weights or a folder")
    physics: bool = setting(False, "of tamp: let the simulated arm carry every plan out, in place of exact rules")
    defaults: list[Any] = groups(policy="planner", suite="tabletop")
    policy: Any = setting(MISSING, "who plans and acts: planner, expert")
    suite: Any = setting(MISSING, "which list of tasks (embodied/conf/suite)")


@dataclass
class Suite:
    """A named list of tasks, and the weights that are for it. body: table, or one of embodied.cli.evaluate_road.BODIES, whose
    policy stands here too."""

    tasks: list[str] = field(default_factory=list)
    body: str = "table"
    policy: str = "planner"
    weights: str = "tabletop"


@dataclass
class Ask:
    """Say what lies where on a table, and answer a question about it."""

    question: str = setting(
        "", "for example 'what is on the red block', 'what is in the hand', 'where is the green brick'"
    )
    task: str = setting("compound", "whose scene to lay (see `embodied tasks`)")
    seed: int = setting(7, "which scene of that task")
    split: str = setting("seen", "seen, pairs, phrasings, compositions, distractors")
    weights: str = setting("tabletop", "name of shipped weights or a folder")
    shots: int = setting(0, "solved examples before the question, of its form, from training seeds of that task")
    examples: str = setting("", "your own, about tables of these seeds: '8 is it tidy? yes; 9 is it tidy? no'")
    out: str = setting("", "picture to write, with marks where the model says that things are; ends in .png")


@dataclass
class Ros:
    """Start the processes of one robot: gate, controller and, for robot=sim or sim_car, the simulator behind the same topics."""

    robot: str = setting("sim", "a shipped arm or vehicle (sim, sim_car, ...), or the path of its .yaml")
    instruction: str = setting("", "what to do at once; later ones are taken from the topic controller/instruction")
    weights: str = setting("tabletop", "name of shipped weights or a folder")
    mode: str = setting("skills", "skills, visuomotor")
    dry_run: str = setting(
        "", "true: check and report, but send nothing to the robot; empty: what the robot's file says"
    )
    speed_share: float = setting(1.0, "of all speed limits of an arm, 0.001 to 1")
    priority: int = setting(
        0, "of gate and planner under SCHED_FIFO, 30 for example: before all that computes; 0: as all others"
    )
    fake: bool = setting(
        False, "an arm that does what it is sent, and sees nothing, takes the place of robot or simulator"
    )
    task: str = setting("", "whose table the simulator lays; empty: one with what the instruction names")
    seed: int = setting(0, "which table, or road")
    driver: str = setting("cruise", "of a vehicle: a name of the group driver")


@dataclass
class RosReplay:
    """Publish a recorded drive as camera and odometry, with a driver's path, decision and hazard, until Ctrl-C."""

    drive: str = setting("sample", "file or folder of the recording, a rosbag2 too; sample: the one that ships")
    source: str = setting("", "which reader; empty: the first that knows the layout")
    topics: str = setting(
        "",
        "of a bag: 'image=/camera odom=/odom imu=/imu twist=/vel fix=/gps cloud=/points'; empty: the one of the right type",
    )
    only: str = setting("", "of several drives, the first whose name holds this")
    driver: str = setting("relaxing", "who drives along: a name of the group driver; empty: nobody")
    rate: float = setting(1.0, "recorded seconds a second")
    loop: bool = setting(False, "begin anew at the end")
    paused: bool = setting(False, "begin with the service replay/resume")
    clock: bool = setting(False, "publish /clock, and stamp with it")
    compressed: bool = setting(False, "pictures as JPEG")
    namespace: str = setting("", "of all these topics")


@dataclass
class RosRecord:
    """Record a robot's topics, or a rosbag2, as a LeRobotDataset v3."""

    out: str = setting("", "folder of the dataset (must be given); one that is there is added to")
    robot: str = setting("sim", "a shipped robot, or the path of its .yaml")
    bag: str = setting("", "folder of a rosbag2 to read; empty: the topics, until Ctrl-C")
    task: str = setting(
        "", "the sentence of one episode that is all there is; empty: an episode is a run of the controller"
    )
    keep: str = setting("succeeded", "of the controller's runs: succeeded, all")
    sent: str = setting("gate/sent", "the topic of the trajectories that go to the robot: the actions")
    namespace: str = setting("", "of all these topics")


@dataclass
class Weights:
    """List the weights that ship with the package, or describe one folder."""

    weights: str = setting("", "a name or a folder to describe; empty: list all")


@dataclass
class Tasks:
    """List the tasks with their sentences."""


@dataclass
class Draw:
    """A picture becomes pen strokes in an SVG, and with sim=true the simulated arm draws them."""

    image: str = setting("", "picture (PNG, JPEG, ...) or SVG; may be given without image=")
    out: str = setting("", "folder for drawing.svg, preview.png, preview.gif, report.json; empty: runs/<date and time>")
    page: str = setting(
        "A4", "A3, A4, A5, A6, letter (also A4-landscape), WxH in mm, or image: as large as the picture"
    )
    pen_mm: float = setting(0.5, "width of the pen, mm")
    mode: str = setting("auto", "line (the middle of lines), fill (areas too), tone (shades), or auto: by the picture")
    style: str = setting(
        "", "of fill: hatch, concentric; of tone: stipple (one stroke), hatch, squiggle; empty: the first"
    )
    scale: str = setting("fit", "fit, or px of the picture to a mm of the page")
    margin_mm: float = setting(10.0, "left free at the page's edges, mm")
    rotate: str = setting("auto", "0, 90, or auto: whichever is larger on the page")
    colours: str = setting("1", "number of pens, by the picture's colours, or a palette: #000000,#c02020")
    angle: float = setting(45.0, "of hatching, degrees")
    retrace: str = setting("off", "draw lines twice where that saves lifting the pen: off, thin, max")
    order_s: float = setting(1.0, "time to spend on the order of strokes, s a pen")
    budget_s: float = setting(20.0, "time to spend on the one stroke of tone, s")
    speed: float = setting(100.0, "of the pen on paper, mm/s")
    travel: float = setting(250.0, "of the raised pen, mm/s")
    seed: int = setting(0, "of stipples, colours and the simulated arm's troubles")
    prompt: str = setting("", "instead of a picture: words for a diffusion pipeline, whose weights have to be there")
    pipeline: str = setting("kandinsky-community/kandinsky-2-2-decoder", "of prompt=: folder or name of its weights")
    sim: bool = setting(
        False, "let the simulated arm draw it: drawing.mp4, canvas.png, its score; goes on where it was stopped"
    )
    passes: int = setting(2, "of sim: how often to draw again what the camera misses, at most")
    look_s: float = setting(
        10.0, "of sim: seconds of drawing between looks at where the sheet lies; 0: only at the end"
    )
    dry: float = setting(0.0, "of sim: share of the line on which the pen gives no ink")
    slip_mm: float = setting(0.0, "of sim: how far the sheet slips once, mm")
    slip_deg: float = setting(0.0, "of sim: how far it turns then, degrees")
    vary: float = setting(0.0, "of sim: how much the line's width varies, a share")


class Command(NamedTuple):
    """schema: () -> dataclass type, called only when the command is used. module: has main(settings) -> exit code. first: the key
    that a first word without `=` is for, if any."""

    schema: Callable[[], type]
    module: str
    first: str = ""


def _outside(module: str) -> Callable[[], type]:
    """The schema of a command whose settings live beside its code, in `module`.Settings."""

    def load() -> type:
        import importlib

        return importlib.import_module(module).Settings

    return load


COMMANDS = {
    "run": Command(lambda: Run, "embodied.cli.run"),
    "evaluate": Command(lambda: Evaluate, "embodied.cli.evaluate"),
    "record": Command(_outside("embodied.cli.record"), "embodied.cli.record"),
    "train": Command(_outside("embodied.train"), "embodied.cli.train"),
    "train tamp": Command(_outside("embodied.train_reasoner"), "embodied.cli.train_tamp"),
    "train board": Command(_outside("embodied.cli.train_board"), "embodied.cli.train_board"),
    "train road": Command(_outside("embodied.train_road"), "embodied.train_road"),
    "train memory": Command(_outside("embodied.train_memory"), "embodied.train_memory"),
    "ask": Command(lambda: Ask, "embodied.cli.ask"),
    "draw": Command(lambda: Draw, "embodied.cli.draw", first="image"),
    "replay": Command(_outside("embodied.cli.replay"), "embodied.cli.replay", first="drive"),
    "ros run": Command(lambda: Ros, "embodied.cli.ros"),
    "ros replay": Command(lambda: RosReplay, "embodied.cli.ros_replay"),
    "ros record": Command(lambda: RosRecord, "embodied.cli.ros_record"),
    "weights": Command(lambda: Weights, "embodied.cli.weights"),
    "tasks": Command(lambda: Tasks, "embodied.cli.tasks"),
}
