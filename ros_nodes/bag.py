"""A rosbag2 (sqlite3 or mcap) -> episodes, with the library rosbags: pure Python, so that no ROS 2 need run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from embodied.errors import UserError
from ros_nodes.robots import RATE_HZ, TOPIC, robot
from ros_nodes.session import Session

SENT = "gate/sent"


def record_bag(bag: str, name: str, out: str, task: str, keep: str, namespace: str = "", sent: str = SENT) -> Session:
    """Read `bag` as the messages of the robot `name`; the session with what was kept. sent: the topic of the trajectories that went
    to the robot. UserError for what cannot be read or lacks a topic."""
    try:
        from rosbags.highlevel import AnyReader, AnyReaderError
        from rosbags.typesys import Stores, get_typestore
    except ImportError:
        raise UserError("reading a bag needs 'rosbags'; run: pip install 'embodied-planner[bags]'") from None
    try:
        with AnyReader([Path(bag)], default_typestore=get_typestore(Stores.ROS2_JAZZY)) as reader:
            return _read(reader, name, Path(out), task, keep, namespace, sent)
    except (AnyReaderError, OSError) as error:
        raise UserError(f"{bag!r} is no rosbag2 that can be read: {error}") from None


def _read(reader: Any, name: str, out: Path, task: str, keep: str, namespace: str, sent: str) -> Session:
    def absolute(topic: str) -> str:
        return topic if topic.startswith("/") else f"{namespace and '/' + namespace.strip('/')}/{topic}"

    described = ""
    if saying := [c for c in reader.connections if c.topic == absolute(TOPIC)]:  # none chosen would be all
        for connection, _, data in reader.messages(saying):
            described = reader.deserialize(data, connection.msgtype).data
    made = robot(name, described)
    if made.urdf == TOPIC and not described:
        raise UserError(f"the bag has no {absolute(TOPIC)}, which {made.name} is described by; record that topic too")
    now = [0.0]
    session = Session(made, out, lambda: now[0], task, keep)
    takes = {topic: take for topic, _, _, take in session.inbox.topics()}
    takes |= {sent: session.take_sent, "controller/plan": session.take_plan, "controller/status": session.take_status}
    takes = {absolute(topic): take for topic, take in takes.items()}
    heard = [c for c in reader.connections if c.topic in takes]
    if absolute(made.topic("joint_states")) not in {c.topic for c in heard}:
        there = ", ".join(sorted({c.topic for c in reader.connections})[:12])
        raise UserError(f"the bag has no {absolute(made.topic('joint_states'))}; it has {there}")
    due = None
    try:
        for connection, stamp_ns, data in reader.messages(heard):
            at = stamp_ns * 1e-9
            due = at if due is None else due
            while due <= at:
                now[0] = due
                session.tick()
                due += 1 / RATE_HZ
            now[0] = at
            takes[connection.topic](reader.deserialize(data, connection.msgtype))
    finally:
        session.close()
    return session
