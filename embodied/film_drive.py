"""Frames of a replayed drive for people: the dashcam's picture with paths on the road, and beside it the view from above.

Green is where the car went, orange what the driver predicted (its other hypotheses thinner, seen from above), grey CTRA. Without
a camera the picture's place stays empty.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from embodied.data.drives import TTC_MAX_S
from embodied.drive.forecast import Forecast
from embodied.drive.replay import Moment
from embodied.film import BAD, DIM, GOOD, INK, NOW, PANEL, PAPER, font
from embodied.geometry import project
from embodied.spec import CameraSpec
from embodied.types import Image

WIDTH, HEIGHT = 640, 360  # px, the picture
FPS = 10
GREY = (150, 156, 168)
SHOWN = 0.1  # probability from which on a further hypothesis is drawn
ABOVE_M = 42.0  # of the road ahead that the view from above shows


def _size(width: int, height: int) -> tuple[int, int]:
    """Of a picture that has been made to fit."""
    scale = min(WIDTH / width, HEIGHT / height)
    return max(1, round(width * scale)), max(1, round(height * scale))


def shrink(picture: Image) -> Image:
    """The whole picture inside WIDTH x HEIGHT, centred on paper; uint8."""
    from PIL import Image as Pictures

    height, width, _ = picture.shape
    size = _size(width, height)
    sheet = Pictures.new("RGB", (WIDTH, HEIGHT), PAPER)
    small = Pictures.fromarray(picture).resize(size, Pictures.Resampling.BICUBIC)
    sheet.paste(small, ((WIDTH - size[0]) // 2, (HEIGHT - size[1]) // 2))
    return np.asarray(sheet)


def _on_picture(path: NDArray[np.floating], camera: CameraSpec) -> list[tuple[float, float]]:
    """Pixels of `shrink`'s picture where the path (n, 2) lies on the road, from one and a half camera heights before it."""
    here = np.vstack([[0.0, 0.0], path[:, :2]])
    steps = np.maximum(1, np.ceil(np.hypot(*np.diff(here, axis=0).T) / 0.5)).astype(int)
    dense = [a + (b - a) * np.arange(n)[:, None] / n for a, b, n in zip(here[:-1], here[1:], steps, strict=True)]
    line = np.vstack([*dense, here[-1:]])
    uvd = project(camera, camera.parent_from_cam, np.column_stack([line, np.zeros(len(line))]))
    scale = min(WIDTH / camera.width, HEIGHT / camera.height)
    left, top = (WIDTH - camera.width * scale) / 2, (HEIGHT - camera.height * scale) / 2
    height_m = float(camera.parent_from_cam[2, 3])
    seen = uvd[uvd[:, 2] > 1.5 * height_m]
    return [(left + u * camera.width * scale, top + v * camera.height * scale) for u, v, _ in seen]


def _line(draw: Any, points: list[tuple[float, float]], colour: tuple[int, int, int], width: int) -> None:
    if len(points) > 1:
        draw.line(points, fill=(0, 0, 0), width=width + 2, joint="curve")
        draw.line(points, fill=colour, width=width, joint="curve")


def frame(moment: Moment, camera: CameraSpec | None, driver: str, note: str = "") -> Image:
    """uint8 (HEIGHT, WIDTH + PANEL, 3)."""
    from PIL import Image as Pictures
    from PIL import ImageDraw

    road = Pictures.new("RGB", (WIDTH, HEIGHT), PAPER)
    if moment.picture is not None:
        road = Pictures.fromarray(moment.picture)
    said, beside = moment.said.get(driver), moment.said.get("ctra")
    draw: Any = ImageDraw.Draw(road)
    if camera is not None and moment.picture is not None:
        if beside is not None and driver != "ctra":
            _line(draw, _on_picture(beside.path, camera), GREY, 2)
        _line(draw, _on_picture(moment.future, camera) if len(moment.future) else [], GOOD, 4)
        _line(draw, _on_picture(said.path, camera) if said else [], NOW, 3)
        wide, high = _size(camera.width, camera.height)
        for bar in ((0, 0, WIDTH, (HEIGHT - high) // 2 - 1), (0, (HEIGHT + high) // 2, WIDTH, HEIGHT),
                    (0, 0, (WIDTH - wide) // 2 - 1, HEIGHT), ((WIDTH + wide) // 2, 0, WIDTH, HEIGHT)):  # fmt: skip
            if bar[2] > bar[0] and bar[3] > bar[1]:  # paths end at the picture's edge
                draw.rectangle(bar, fill=PAPER)
    else:
        draw.text((WIDTH / 2 - 90, HEIGHT / 2 - 10), "no pictures in this drive", DIM, font(15))
    if said and said.reason:
        _warn(draw, said)
    sheet = Pictures.new("RGB", (WIDTH + PANEL, HEIGHT), PAPER)
    sheet.paste(road, (0, 0))
    draw = ImageDraw.Draw(sheet)
    _above(draw, moment, driver)
    _text(draw, moment, said, driver, note)
    return np.asarray(sheet)


def _warn(draw: Any, said: Forecast) -> None:
    """Why there is danger and how soon, on the picture's lower edge."""
    words = f"{said.reason}, {said.ttc_s:.1f} s" if said.ttc_s < TTC_MAX_S else said.reason
    _, _, right, bottom = draw.textbbox((12, HEIGHT - 28), words, font(17))
    draw.rectangle([4, HEIGHT - 34, right + 8, bottom + 6], fill=PAPER)
    draw.text((12, HEIGHT - 28), words, BAD, font(17))


def _above(draw: Any, moment: Moment, driver: str) -> None:
    """x upwards, y to the left, the car a small triangle at the bottom of the panel."""
    top, bottom, middle = 122, HEIGHT - 14, WIDTH + PANEL / 2
    scale = (bottom - top) / ABOVE_M
    for metres in range(10, int(ABOVE_M), 10):
        y = bottom - metres * scale
        draw.line([(WIDTH + 14, y), (WIDTH + PANEL - 14, y)], fill=(44, 48, 57))
        draw.text((WIDTH + PANEL - 44, y - 14), f"{metres} m", DIM, font(11))

    def show(path: NDArray[np.floating], colour: tuple[int, int, int], width: int) -> None:
        line = np.vstack([[0.0, 0.0], path[:, :2]])
        kept = [
            (middle - y * scale, bottom - x * scale) for x, y in line if x < ABOVE_M and abs(y) * scale < PANEL / 2 - 14
        ]
        if len(kept) > 1:
            draw.line(kept, fill=colour, width=width, joint="curve")

    if "ctra" in moment.said and driver != "ctra":
        show(moment.said["ctra"].path, GREY, 2)
    if len(moment.future):
        show(moment.future, GOOD, 4)
    if driver in moment.said:
        for p, path in moment.said[driver].others:
            if p >= SHOWN:
                r, g, b = (round(a + (z - a) * (0.25 + p / 2)) for a, z in zip(PAPER, NOW, strict=True))
                show(path, (r, g, b), 1)
        show(moment.said[driver].path, NOW, 3)
    draw.polygon([(middle, bottom - 9), (middle - 5, bottom + 3), (middle + 5, bottom + 3)], fill=INK)


def _text(draw: Any, moment: Moment, said: Forecast | None, driver: str, note: str) -> None:
    x, small, large = WIDTH + 14, font(13), font(15)
    draw.text((x, 10), said.decision if said else "", NOW, large)
    if moment.decision:
        draw.text((x + 120, 11), f"went on to: {moment.decision}", GOOD, small)
    pace = f"{3.6 * moment.speed:5.1f} km/h" if "speed" in moment.ego else "speed unknown"
    draw.text((x, 34), f"{moment.t_s:6.1f} s   {pace}   {driver}", INK, small)
    hazard, wide = float(np.clip(said.hazard, 0, 1)) if said else 0.0, PANEL - 86
    draw.text((x, 56), "hazard", DIM, small)
    draw.rectangle([x + 56, 59, x + 56 + wide, 69], outline=DIM)
    draw.rectangle([x + 56, 59, x + 56 + wide * hazard, 69], fill=BAD if hazard >= 0.5 else NOW)
    if np.isfinite(moment.hazard) and moment.hazard > 0.5:
        draw.text((x, 76), f"true: collision in {moment.ttc_s:.1f} s if nobody acts", BAD, small)
    elif note:
        draw.text((x, 76), note, DIM, small)
    for k, (name, colour) in enumerate((("driven", GOOD), (driver, NOW), ("ctra", GREY))):
        if name != "ctra" or driver != "ctra":
            draw.text((x + 84 * k, 98), name, colour, small)
