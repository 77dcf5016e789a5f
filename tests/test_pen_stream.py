"""A streamed pen: nothing jumps, nothing is dragged on, nothing waits for a long stroke to be solved."""

from __future__ import annotations

import time

import numpy as np
import pytest

from embodied.draw.sheet import laid, on_page
from embodied.errors import UserError

pytest.importorskip("pybullet")
from embodied.control.arm import down
from policies.draw import PenPolicy
from policies.pen_stream import PenStream
from sim.draw import DrawBody

RATE = 50.0
PAGE = laid(210, 297)
LINE = np.linspace([30.0, 40.0], [150.0, 40.0], 200)


@pytest.fixture(scope="module")
def body():
    made = DrawBody()
    yield made
    made.close()


def started(body: DrawBody, strokes: list[np.ndarray]) -> tuple[PenStream, np.ndarray]:
    stream = PenStream(PenPolicy(body.arm, RATE))
    q = body.arm.solve(body.rest, down(0.35, -0.05, 0.06, 0.0), steps=60)
    stream.begin(strokes, PAGE, q)
    return stream, q


def driven(
    stream: PenStream, q: np.ndarray, seconds: float, from_s: float = 0.0, stuck: bool = False
) -> list[np.ndarray]:
    """Where the arm is at every tick of 50 ms when it does what it is sent, or does not."""
    seen = []
    for k in range(int(seconds / 0.05)):
        _, rows = stream.next(from_s + 0.05 * k, q)
        if len(rows) and not stuck:
            q = np.asarray(rows[min(1, len(rows) - 1)], float)
        seen.append(q.copy())
    return seen


def test_no_joint_jumps_and_the_pen_is_down_on_the_stroke_only(body: DrawBody) -> None:
    stream, q = started(body, [LINE, LINE + [0, 60]])
    seen = np.array(driven(stream, q, 12.0))
    assert stream.state == "finished" and stream.done == 2
    assert (np.abs(np.diff(seen, axis=0)) <= body.arm.speed * 0.05 * 1.5).all()
    tips = on_page(PAGE, np.array([body.arm.fk(row)[:3, 3] for row in seen]))
    pressed = tips[tips[:, 2] < -0.2]
    assert len(pressed) > 20 and np.minimum(np.abs(pressed[:, 1] - 40), np.abs(pressed[:, 1] - 100)).max() < 0.1


def test_an_arm_that_does_not_follow_ends_the_drawing(body: DrawBody) -> None:
    stream, q = started(body, [np.linspace([10.0, 40.0], [200.0, 280.0], 400)])
    driven(stream, q, 6.0, stuck=True)
    assert stream.state == "stopped" and "not where it was sent" in stream.why
    assert len(stream.next(100.0, q)[1]) == 0


def test_a_long_stroke_keeps_nobody_waiting(body: DrawBody) -> None:
    a = np.linspace(0, 400 * np.pi, 60_000)
    spiral = np.stack([105 + 90 * a / a[-1] * np.cos(a), 150 + 90 * a / a[-1] * np.sin(a)], 1)
    stream, q = started(body, [spiral])
    q = driven(stream, q, 1.5)[-1]
    begin = time.process_time()
    driven(stream, q, 0.5, from_s=1.5)
    assert time.process_time() - begin < 1.0  # solving it whole takes far longer
    stream.cancel()
    assert stream.state == "cancelled" and len(stream.next(3.0, q)[1]) == 0


def test_a_pen_that_does_not_point_down_and_a_way_that_cannot_be_followed_are_refused(body: DrawBody) -> None:
    policy = PenPolicy(body.arm, RATE)
    tilted = body.rest.copy()
    tilted[6] += 1.0
    with pytest.raises(UserError, match="does not point down"):
        PenStream(policy).begin([LINE], PAGE, tilted)
    policy.at = body.rest.copy()
    with pytest.raises(UserError, match="cannot follow"):
        policy.joints(np.array([[0.4, 0.0, 0.2], [0.4, 0.0, 1.6]]))
