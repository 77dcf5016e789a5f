"""embodied ask: what the model finds on a table, and its answer to a question about it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from embodied import film
from embodied.cli import parts
from embodied.cli.settings import Ask
from embodied.errors import UserError
from embodied.types import Shot

LONGEST = 200  # characters of a question
MOST = 32  # examples that are made


def main(settings: Ask, chosen: dict[str, str]) -> int:
    """0; UserError for bad input."""
    if settings.out and not settings.out.endswith(".png"):
        raise UserError(f"out={settings.out!r} is no picture; give a path that ends in .png")
    question = " ".join(settings.question.split()).rstrip(" ?")
    if len(question) > LONGEST:
        raise UserError(f"the question has {len(question):,} characters; ask it in at most {LONGEST}")
    if not 0 <= settings.shots <= MOST:
        raise UserError(f"shots={settings.shots} is out of range; give 0 to {MOST}")
    if (settings.shots or settings.examples) and not question:
        raise UserError("there is no question for solved examples to stand before; give question=, or leave them out")
    body = parts.body(settings.task, split=settings.split)
    try:
        shots = _shots(settings, question, body)
        print("".join(f"example: {one.source}\n  {one.question}? {one.answer}\n" for one in shots), end="")
        obs = body.reset(parts.seed_of(settings.split, settings.seed))
        policy = parts.policy("planner", {}, body, "skills", settings.weights, settings.seed)
        scene = policy.scene(obs)
        print("\n".join(["sees", *(f"  {line}" for line in scene.splitlines())]))
        answer = policy.answer(obs, question, shots) if question else ""
        if question:
            print(f"{question}? {answer}")
        if settings.out:
            _draw(Path(settings.out), body, film.Caption(question and f"{question}?", note=answer, scene=scene))
    finally:
        body.close()
    return 0


def _shots(settings: Ask, question: str, body: Any) -> list[Shot]:
    """The solved examples that are asked for, the user's own last."""
    out: list[Shot] = []
    if settings.shots:
        out += parts.outside("sim.shots").solved(settings.task, question, settings.shots, settings.seed)
    for one in filter(str.strip, settings.examples.split(";")):
        read = re.fullmatch(r"\s*(\d+)\s+(.+?)\s*\?\s*(.+?)\s*", one)
        if read is None:
            raise UserError(
                f"the example {one.strip()!r} cannot be read; write 'SEED QUESTION? ANSWER', several with ; between"
            )
        obs = body.reset(parts.seed_of(settings.split, int(read[1])))
        out.append(Shot(obs, read[2], read[3], f"{settings.split} seed {read[1]}"))
    return out


def _draw(path: Path, body: object, caption: film.Caption) -> None:
    from PIL import Image

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(film.frame(parts.picture(body), caption)).save(path)
    except OSError as fault:
        raise UserError(f"cannot write out={str(path)!r} ({fault.strerror}); give another path") from None
