"""Shipped robots beside what their makers publish: joints, limits, and that none of them moves by itself."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("yaml")
pytest.importorskip("pinocchio")

from embodied.errors import UserError
from ros_nodes import robots, vehicles
from ros_nodes.robots import robot

# joint -> low, high (rad), speed (rad/s), of the makers' descriptions
MAKERS = {
    "franka_fr3": {
        "fr3_joint1": (-2.7437, 2.7437, 2.62), "fr3_joint2": (-1.7837, 1.7837, 2.62), "fr3_joint3": (-2.9007, 2.9007, 2.62),
        "fr3_joint4": (-3.0421, -0.1518, 2.62), "fr3_joint5": (-2.8065, 2.8065, 5.26), "fr3_joint6": (0.5445, 4.5169, 4.18),
        "fr3_joint7": (-3.0159, 3.0159, 5.26),
    },
    "ur5e": {
        "shoulder_pan_joint": (-6.2832, 6.2832, 3.1416), "shoulder_lift_joint": (-6.2832, 6.2832, 3.1416),
        "elbow_joint": (-3.1416, 3.1416, 3.1416), "wrist_1_joint": (-6.2832, 6.2832, 3.1416),
        "wrist_2_joint": (-6.2832, 6.2832, 3.1416), "wrist_3_joint": (-6.2832, 6.2832, 3.1416),
    },
    "xarm7": {
        "joint1": (-6.2832, 6.2832, 3.14), "joint2": (-2.059, 2.0944, 3.14), "joint3": (-6.2832, 6.2832, 3.14),
        "joint4": (-0.19198, 3.927, 3.14), "joint5": (-6.2832, 6.2832, 3.14), "joint6": (-1.69297, 3.1416, 3.14),
        "joint7": (-6.2832, 6.2832, 3.14),
    },
    "so101": {
        "shoulder_pan": (-1.91986, 1.91986, 10.0), "shoulder_lift": (-1.74533, 1.74533, 10.0),
        "elbow_flex": (-1.69, 1.69, 10.0), "wrist_flex": (-1.65806, 1.65806, 10.0), "wrist_roll": (-2.74385, 2.84121, 10.0),
    },
}  # fmt: skip


def chain(joints: dict[str, tuple[float, float, float]], tip: str) -> str:
    """A description with these joints in a row, links of 0.1 m."""
    parts = ['<robot name="r"><link name="base_link"/>']
    parent = "base_link"
    for name, (low, high, speed) in joints.items():
        child = f"after_{name}"
        parts.append(
            f'<link name="{child}"/><joint name="{name}" type="revolute"><parent link="{parent}"/><child link="{child}"/>'
            f'<origin xyz="0 0 0.1"/><axis xyz="0 1 0"/><limit lower="{low}" upper="{high}" velocity="{speed}" effort="9"/></joint>'
        )
        parent = child
    parts.append(
        f'<link name="{tip}"/><joint name="end" type="fixed"><parent link="{parent}"/><child link="{tip}"/></joint></robot>'
    )
    return "".join(parts)


@pytest.mark.parametrize("name", MAKERS)
def test_a_shipped_robot_keeps_its_makers_limits_and_does_not_move_by_itself(name: str) -> None:
    undescribed = robot(name)
    assert undescribed.dry_run and not undescribed.armed and undescribed.urdf == robots.TOPIC
    made = robot(name, chain(MAKERS[name], undescribed.tip))
    assert made.joints == tuple(MAKERS[name]) and made.frame == "base_link"
    low, high, speed = np.array(list(MAKERS[name].values())).T
    limits, n = made.limits, len(low)
    assert np.all(limits.low[:n] >= low) and np.all(limits.high[:n] <= high)
    assert np.all(limits.speed[:n] <= np.minimum(speed, 1.0))
    assert sorted(j for one in made.outputs for j in one.joints) == sorted(made.names)  # each joint goes one way
    inside = [made.box[a][0] <= made.workspace[a][0] < made.workspace[a][1] <= made.box[a][1] for a in "xyz"]
    assert all(inside)
    ends = made.grip(0.0), made.grip(float(made.gripper["opening"]))
    assert limits.low[-1] == pytest.approx(min(ends)) and limits.high[-1] == pytest.approx(max(ends))
    assert made.opening(made.grip(0.03)) == pytest.approx(0.03)


def test_the_shipped_weights_look_at_what_the_shipped_robots_show() -> None:
    pytest.importorskip("torch")
    from embodied.model.weights import from_pretrained
    from policies.planner import check_fit

    model = from_pretrained("tabletop")
    for name, joints in MAKERS.items():
        made = robot(name, chain(joints, robot(name).tip))
        assert None not in made.sizes.values()
        check_fit(model, "skills", made.sizes, made.states)


def changed(tmp_path: object, **lines: str) -> str:
    """The path of a copy of ur5e.yaml with some of its lines replaced."""
    text = (robots.FOLDER / "ur5e.yaml").read_text().splitlines()
    text = [next((f"{k}: {v}" for k, v in lines.items() if line.startswith(f"{k}:")), line) for line in text]
    path = f"{tmp_path}/mine.yaml"
    with open(path, "w") as out:
        out.write("\n".join(text))
    return path


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ({"limits": "{ speed: 9.0 }"}, "wider than the robot's own"),
        ({"tracking": "0.15\nwatchdog: 3"}, "watchdog = 3 must be"),
        ({"limits": "{ torque: 9.0 }"}, "limits has no 'torque'"),
        ({"limits": "{ speed: { elbow: 0.1 } }"}, "'elbow'"),
        ({"tip": "hand"}, "'hand' is not in the robot's description"),
        (
            {"joints": "[elbow_joint, shoulder_lift_joint]"},
            "from the base to the tip: shoulder_lift_joint, elbow_joint",
        ),
        ({"joints": "[knee_joint]"}, "no joint 'knee_joint'"),
        ({"pictures": "[320]"}, "mine.yaml"),
    ],
)
def test_what_a_file_says_wrong_of_its_description_is_a_sentence(
    line: dict[str, str], says: str, tmp_path: object
) -> None:
    with pytest.raises(UserError, match=says):
        robot(changed(tmp_path, **line), chain(MAKERS["ur5e"], "tool0"))


def test_a_description_that_is_none_is_a_sentence() -> None:
    with pytest.raises(UserError, match="cannot be read"):
        robot("ur5e", "<robot")
    endless = chain(MAKERS["ur5e"], "tool0").replace('"elbow_joint" type="revolute"', '"elbow_joint" type="continuous"')
    with pytest.raises(UserError, match="turns without end"):
        robot("ur5e", endless)


def test_a_vehicle_is_one_file_that_stands_until_somebody_holds_the_switch(tmp_path: object) -> None:
    for name in ("diff_drive", "car"):
        made = vehicles.vehicle(name)
        assert (
            made.dry_run
            and made.dead_man
            and not made.armed
            and made.gate(0.5, True, True).speed[0] == made.speed[0] / 2
        )
    made = vehicles.vehicle("sim_car")  # nobody is in it
    assert made.armed and not made.dry_run and not made.dead_man and made.cameras == ("front",)
    with pytest.raises(UserError, match="choose from car, diff_drive, sim_car"):
        vehicles.vehicle("tank")
    path = f"{tmp_path}/mine.yaml"
    with open(path, "w") as out:
        out.write("speed: [1.0]\nacceleration: [1, 1, 1]\noutputs: []\n")
    with pytest.raises(UserError, match="three numbers"):
        vehicles.vehicle(path)
    with open(path, "w") as out:
        out.write("speed: [1, 0, 1]\nacceleration: [1, 1, 1]\noutputs: []\nwatchdog: 5\n")
    with pytest.raises(UserError, match="watchdog = 5"):
        vehicles.vehicle(path)
