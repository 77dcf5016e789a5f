"""What a network is told of the ground around it: where a lidar meets cars and people."""

from __future__ import annotations

import numpy as np
import pytest

from embodied.data.moments import KINDS
from embodied.drive import above
from sim import car as cars
from sim.drive import DriveBody
from sim.road_labels import TALL_M, squares_of
from sim.road_moments import drive

SIDE = round(above.SQUARE_M / above.CELL_M)  # cells along a square's edge
CAR, PERSON = KINDS.index("car"), KINDS.index("person")


def test_heads_are_the_cells_of_high_points() -> None:
    points = np.array([(10.2, 3.3, 0.1), (10.2, 3.3, 1.0), (20.7, -4.4, 0.25), (30.0, 0.1, 0.35)])
    at, where = above.heads(above.raster(points), 0.3)
    np.testing.assert_allclose(where, [(30.25, 0.25), (10.25, 3.25)])
    np.testing.assert_allclose(above.CELL_M * (above.ROWS - 0.5 - at[:, 0]), where[:, 0])


@pytest.mark.parametrize("ahead_m", [12.0, 25.0, 41.0])
def test_the_standing_car_is_in_its_squares_from_its_tail_on(ahead_m: float) -> None:
    body = DriveBody("stop", look=False, lidar=True)
    body.reset(11)
    assert body.traffic.standing is not None
    body.s = body.traffic.standing[0] - ahead_m
    body.car.x, body.car.y, body.car.yaw = body.road.route.at(body.s)
    body._arrange()
    made = squares_of(body, body.scan()).astype(float)
    x, y, yaw = body.road.route.at(body.traffic.standing[0])
    for end in (-cars.REAR_M + 0.2, 0.0):  # what is behind its roof no ray meets
        gap = np.array([x + end * np.cos(yaw) - body.car.x, y + end * np.sin(yaw) - body.car.y])
        c, s = np.cos(body.car.yaw), np.sin(body.car.yaw)
        there, left = gap @ (c, s), gap @ (-s, c)
        row, column = int(above.SQUARES[0] - there / above.SQUARE_M), int((above.ASIDE_M - left) / above.SQUARE_M)
        assert made[row, column, 0] == CAR and made[row, column, 2:4].tolist() == [0.0, 0.0]
        assert abs(made[row, column, 4] - left) < 1.2
        assert made[..., 1][made[..., 0] > 0].min() <= there + 1.0
    nobody = DriveBody("stop", look=False, lidar=True)
    nobody.reset(11)
    assert not squares_of(nobody, np.zeros((above.ROWS, above.COLUMNS, 3), np.uint8)).any()  # nor without a return


def test_all_that_stands_up_on_a_drive_is_a_car_or_a_person() -> None:
    made = drive(602_027, lidar=True)
    people = 0
    for k in range(0, len(made.at), 3):
        tall = np.zeros(above.SQUARES, int)
        at, _ = above.heads(made.scan(k), TALL_M)
        np.add.at(tall, tuple((at // SIDE).T), 1)
        labelled = made.squares[k, ..., 0] > 0
        assert (tall[labelled] > 0).all() and (labelled[tall > 0].mean() > 0.95 if tall.any() else True)
        kinds = made.squares[k, ..., 0]
        assert set(np.unique(kinds)) <= {0, CAR, PERSON}
        people += int((kinds == PERSON).sum())
        walking = made.squares[k][kinds == PERSON][:, 3]
        assert (np.abs(walking) < 3.0).all()
    assert people > 20
