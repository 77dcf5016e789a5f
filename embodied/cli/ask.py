"""embodied ask: what the model finds on a table, and its answer to a question about it."""

from __future__ import annotations

from pathlib import Path

from embodied import film
from embodied.cli import parts
from embodied.cli.settings import Ask
from embodied.errors import UserError

LONGEST = 200  # characters of a question


def main(settings: Ask, chosen: dict[str, str]) -> int:
    """0; UserError for bad input."""
    if settings.out and not settings.out.endswith(".png"):
        raise UserError(f"out={settings.out!r} is no picture; give a path that ends in .png")
    question = " ".join(settings.question.split()).rstrip(" ?")
    if len(question) > LONGEST:
        raise UserError(f"the question has {len(question):,} characters; ask it in at most {LONGEST}")
    body = parts.body(settings.task, split=settings.split)
    try:
        obs = body.reset(parts.seed_of(settings.split, settings.seed))
        policy = parts.policy("planner", {}, body, "skills", settings.weights, settings.seed)
        scene = policy.scene(obs)
        print("\n".join(["sees", *(f"  {line}" for line in scene.splitlines())]))
        answer = policy.answer(obs, question) if question else ""
        if question:
            print(f"{question}? {answer}")
        if settings.out:
            _draw(Path(settings.out), body, film.Caption(question and f"{question}?", note=answer, scene=scene))
    finally:
        body.close()
    return 0


def _draw(path: Path, body: object, caption: film.Caption) -> None:
    from PIL import Image

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(film.frame(parts.picture(body), caption)).save(path)
    except OSError as fault:
        raise UserError(f"cannot write out={str(path)!r} ({fault.strerror}); give another path") from None
