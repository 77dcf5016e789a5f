"""Tables of cubes as pictures: recorded, for a finder to learn, and as lessons for a reasoner that looks through a frozen picture
encoder. What lies where is used in training only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embodied.data.snapshots import Record, Snapshots
from embodied.errors import UserError
from embodied.model.kept import fingerprint
from embodied.model.lessons import Lesson
from embodied.model.reasoner import picture
from embodied.model.tokens import EOS, Words
from embodied.trainlog import progress_bar
from sim.snapshots import photographed
from sim.tamp import lessons, questions
from sim.tamp.physics import Arm
from sim.tamp.scene import Scene, scene

KINDS = tuple(kind for kind in questions.KINDS if kind != "q1")  # it names an entity, of which a picture has none
AT_ONCE = 64  # pictures


class Tables:
    """As sim.snapshots.Moments: a moment for each table of a training seed, the hand at home. Without depth, which no evaluation of
    these tables gives."""

    def __init__(self, name: str = "cubes") -> None:
        self.name, self.arm = name, Arm(("front",))
        self.body = self.arm.body

    def episode(self, seed: int) -> Iterator[tuple[Record, dict[str, np.ndarray]]]:
        self.arm.lay(scene(seed), seed)
        arrays, record = photographed(self.body, self.body.facts(), self.name)
        yield record, {k: v for k, v in arrays.items() if not k.endswith("depth")} | {"seed": np.array(seed)}


class Eyes:
    """The picture encoder of the front camera of shipped weights, as it is."""

    def __init__(self, weights: str = "tabletop") -> None:
        from embodied.model.weights import from_pretrained

        self.encoder: Any = from_pretrained(weights).encoders["front"]

    def look(self, images: NDArray[np.uint8]) -> NDArray[np.float16]:
        """(b, H, W, 3) -> (b, tokens, width)."""
        import torch

        with torch.inference_mode():
            return self.encoder(torch.from_numpy(np.array(images)))[1].half().numpy()


def coloured(text: str, cubes: Scene) -> str:
    """A plan whose entities are called by their colours."""
    for cube in cubes:
        text = text.replace(f"<obj_{cube.label}>", cube.colour)
    return text


def labelled(text: str, cubes: Scene) -> str:
    """The other way round; what is not on the table stays as it is, and is no plan."""
    labels = {cube.colour: f"<obj_{cube.label}>" for cube in cubes}
    return " ".join(labels.get(word, word) for word in text.split())


class Pictures:
    """Recorded tables (`embodied record kind=cubes`) as lessons (embodied.data.schedule). kept: folder for what this encoder makes
    of these tables, from one start to the next."""

    times = 1

    def __init__(self, words: Words, folder: Path, kinds: Sequence[str], kept: Path) -> None:
        self.words, self.kinds = words, tuple(kinds)
        if not list(folder.glob("*-cubes/seed.npy")):
            raise UserError(
                f"{folder} holds no tables of cubes; make them with embodied record kind=cubes out={folder}"
            )
        data = Snapshots(folder)
        self.seeds = np.concatenate([one["seed"] for one in data.arrays])
        eyes = Eyes()
        tables = hashlib.blake2b(self.seeds.tobytes(), digest_size=8).hexdigest()
        name = kept / f"seen-{fingerprint(eyes.encoder)}-{tables}.npy"
        if not name.exists():
            part = name.with_suffix(".part")
            with part.open("wb") as file, progress_bar(True) as bar:
                whole = [
                    one["front"][k : k + AT_ONCE] for one in data.arrays for k in range(0, len(one["front"]), AT_ONCE)
                ]
                np.save(file, np.concatenate([eyes.look(some) for some in bar.track(whole, description="looking")]))
            part.rename(name)
        self.given = np.load(name, mmap_mode="r")

    def __len__(self) -> int:
        return len(self.seeds)

    def lesson(self, row: int, rng: np.random.Generator) -> Lesson:
        """As sim.tamp.lessons.Scenes makes them; states["given"]: (tokens, width)."""
        cubes, segments = scene(int(self.seeds[row])), []
        for kind in self.kinds:
            for k in range(lessons.EACH[kind]):
                one = questions.ask(kind, cubes, rng, entities=0.0, long=k > 0)
                answer = self.words.read(coloured(one.answer, cubes))
                segments.append((self.words.read(one.text), [*answer, self.words[EOS]]))
        states = {"given": self.given[row].astype(np.float32), "labels": np.zeros(0, np.int64)}
        return Lesson({}, states, segments, (picture(self.words, self.given.shape[1]), []))
