"""The gate of a vehicle: zeros whenever in doubt, and what passes is within all limits."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embodied.control.velocity import VelocityGate, ackermann
from embodied.errors import UserError

SPEED, ACCELERATION = np.array([1.0, 0.0, 2.0]), np.array([1.0, 0.0, 4.0])
AHEAD = np.array([0.5, 0.0, 0.5])


class Vehicle:
    """One that does what it is sent, with everybody alive."""

    def __init__(self, **more: object) -> None:
        self.gate = VelocityGate(SPEED, ACCELERATION, **more)  # type: ignore[arg-type]
        self.now, self.wanted, self.odometry, self.held = 10.0, AHEAD, True, True

    def ticks(self, count: int = 60) -> np.ndarray:
        for _ in range(count):
            self.now += 0.01
            if self.held:
                self.gate.switch(True, self.now)
            if self.odometry:
                self.gate.odometry(self.gate.sent, self.now, self.now)
            if self.wanted is not None:
                self.gate.command(self.wanted, self.now, self.now)
            sent = self.gate.tick(self.now)
        return sent


def test_it_gains_speed_within_its_limits_and_brakes_at_once() -> None:
    vehicle = Vehicle()
    assert vehicle.ticks(1)[0] <= 0.05 and 0 < vehicle.ticks(20)[0] < AHEAD[0]
    np.testing.assert_allclose(vehicle.ticks(), AHEAD)
    vehicle.wanted = np.zeros(3)
    assert not vehicle.ticks(1).any() and not vehicle.gate.fault


@given(st.lists(st.tuples(st.floats(-9, 9), st.floats(-9, 9), st.floats(-9, 9)), min_size=1, max_size=5))
def test_whatever_is_asked_all_limits_are_kept(asked: list[tuple[float, float, float]]) -> None:
    vehicle = Vehicle()
    before = np.zeros(3)
    for twist in asked:
        vehicle.wanted = np.array(twist)
        for _ in range(130):  # long enough to reach them
            sent = vehicle.ticks(1)
            assert np.all(np.abs(sent) <= SPEED + 1e-9)
            assert np.all(np.abs(sent) <= np.abs(before) + ACCELERATION * 0.05 + 1e-9)
            before = sent


FAULTS = {
    "stop": lambda v: v.gate.stop(),
    "nan in a command": lambda v: v.gate.command(np.full(3, np.nan), v.now, v.now),
    "nan in odometry": lambda v: v.gate.odometry(np.full(3, np.nan), v.now, v.now),
    "faster than it can be": lambda v: v.gate.odometry(np.array([9.0, 0, 0]), v.now, v.now),
    "steady clock goes back": lambda v: v.gate.tick(v.now - 1),
    "odometry is lost": lambda v: (setattr(v, "odometry", False), v.ticks(30)),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_zero_until_it_is_reset(fault: str) -> None:
    vehicle = Vehicle()
    vehicle.ticks()
    FAULTS[fault](vehicle)
    assert vehicle.gate.fault and not vehicle.ticks().any()
    vehicle.odometry = True
    vehicle.wanted = None
    vehicle.ticks(2)
    assert vehicle.gate.reset(vehicle.now) == "" and not vehicle.ticks(2).any()  # commands from before are forgotten
    vehicle.wanted = AHEAD
    assert vehicle.ticks().any() and not vehicle.gate.fault


def test_silence_of_the_commands_and_letting_go_are_zero_without_a_fault() -> None:
    vehicle = Vehicle()
    vehicle.ticks()
    vehicle.wanted = None
    assert vehicle.ticks(24).any() and not vehicle.ticks(3).any() and not vehicle.gate.fault
    vehicle.wanted, vehicle.held = AHEAD, False
    assert not vehicle.ticks().any() and vehicle.gate.released and not vehicle.gate.fault
    vehicle.held = True
    assert vehicle.ticks().any()
    vehicle.gate.switch(False, vehicle.now)
    assert not vehicle.gate.tick(vehicle.now + 0.01).any()
    assert Vehicle(dead_man=False).ticks().any()


def test_a_vehicle_that_does_not_do_what_it_is_sent_is_a_fault_unless_it_was_sent_nothing() -> None:
    for follows in (True, False):
        vehicle = Vehicle(follows=follows)
        vehicle.odometry = False
        for _ in range(200):
            vehicle.gate.odometry(np.zeros(3), vehicle.now, vehicle.now)
            vehicle.wanted = np.array([1.0, 0, 0])
            vehicle.ticks(1)
        assert bool(vehicle.gate.fault) == follows


def test_limits_that_are_none_are_refused() -> None:
    with pytest.raises(UserError, match="three numbers"):
        VelocityGate(np.array([1.0, 2.0]), ACCELERATION)
    with pytest.raises(UserError, match="acceleration"):
        VelocityGate(SPEED, -ACCELERATION)


@given(st.floats(0.1, 3), st.floats(-1, 1))
def test_a_car_that_steers_so_turns_so(forward: float, turn: float) -> None:
    speed, angle = ackermann(forward, turn, 2.5, 1.57)
    assert speed == forward and forward * math.tan(angle) / 2.5 == pytest.approx(turn)
    assert ackermann(0.0, turn, 2.5, 0.5, 0.3) == (0.0, 0.3) and abs(ackermann(forward, 50 * turn, 2.5, 0.5)[1]) <= 0.5
