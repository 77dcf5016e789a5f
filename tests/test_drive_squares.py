"""What a network is told of the ground around it: made of the dashcam's labels, it agrees with what a lidar measures there."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import maximum_filter

from embodied.data.moments import CELL, KINDS
from embodied.data.sources.lerobot_drive import own_camera
from embodied.data.squares import AHEAD_M, SHOWN, cells_of_squares, squares
from embodied.drive import above
from embodied.drive.view import FOCAL, HEIGHT, WIDTH, window
from embodied.geometry import project
from sim.road_moments import drive

TALL = 1 + 254 * (0.3 - above.LOW_M) / (above.HIGH_M - above.LOW_M)  # of a picture from above: 0.3 m over the road


@given(st.integers(0, HEIGHT // CELL - 1), st.integers(0, WIDTH // CELL - 1), st.floats(1.0, 60.0), st.booleans())
def test_a_cell_s_person_or_car_stands_where_its_ray_ends(row: int, column: int, away: float, walks: bool) -> None:
    cells = np.zeros((HEIGHT // CELL, WIDTH // CELL, 4))
    cells[row, column] = (KINDS.index("person" if walks else "car"), away, 3.0, -1.0)
    made = squares(cells)
    x, y = away + AHEAD_M, -away * (CELL * (column + 0.5) - WIDTH / 2) / FOCAL
    if x >= above.AHEAD_M or abs(y) >= above.ASIDE_M:
        assert not made.any()
        return
    ((r, c),) = np.argwhere(made[..., 0])
    np.testing.assert_allclose(made[r, c], cells[row, column], rtol=1e-5)
    assert above.SQUARE_M * (above.SQUARES[0] - 1 - r) <= x <= above.SQUARE_M * (above.SQUARES[0] - r)
    assert above.SQUARE_M * c <= above.ASIDE_M - y <= above.SQUARE_M * (c + 1)


def test_the_ground_of_a_square_is_shown_by_its_cell() -> None:
    """The simulator's own dashcam, by its projection."""
    camera = own_camera(160, 96)
    left, top, _, _ = window(camera)
    row, column = cells_of_squares()
    for r, c in np.argwhere(SHOWN):
        x, y = above.SQUARE_M * (above.SQUARES[0] - 0.5 - r), above.ASIDE_M - above.SQUARE_M * (c + 0.5)
        u, v, _ = project(camera, camera.parent_from_cam, np.array([x, y, 0.0])) * (camera.width, camera.height, 1.0)
        assert abs((u - left) / CELL - 0.5 - column[r, c]) < 1.5 and abs((v - top) / CELL - 0.5 - row[r, c]) < 1.5


def test_where_the_labels_say_something_stands_a_lidar_finds_it_and_nowhere_else() -> None:
    made = drive(602_027, lidar=True)
    side = round(above.SQUARE_M / above.CELL_M)
    found, labelled = [], []
    for k in range(0, len(made.at), 3):
        tall = made.scan(k)[..., 0] > TALL
        found.append(
            [one.reshape(above.SQUARES[0], side, -1, side).any((1, 3)) for one in (tall, maximum_filter(tall, 5))]
        )
        labelled.append(squares(made.cells[k])[..., 0] > 0)
    (there, near), said = np.swapaxes(found, 0, 1), np.array(labelled)
    beside = np.stack([maximum_filter(one, 3) for one in said])
    assert said.sum() > 60 and near[said].mean() > 0.95
    assert beside[there & SHOWN].mean() > 0.9
