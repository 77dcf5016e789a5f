"""Sentences that ask for nothing a table-top arm can do: other topics, other languages, no language at all.

A planner must answer them with "unclear" instead of grasping at the nearest word.
"""

from __future__ import annotations

import string
from collections.abc import Sequence

import numpy as np

from sim.language import pick

_OTHER_TOPICS = (
    "what is the {n} of {t}", "tell me about {t}", "how do i {v} {t}", "{v} {t} for me", "write a {n} about {t}",
    "who invented {t}", "where can i buy {t}", "i think {t} is {j}", "why is {t} so {j}",
    "could you {v} {t} tomorrow", "do you like {t}", "{t} is {j}", "please {v} my {t}", "what time is it",
    "hello there", "how are you today", "open the door", "close the window", "play some music", "turn off the {t}",
    "call my {n}", "the {n} of {t} was {j}", "go to the {n}", "come here", "stop it", "never mind", "yes", "no",
    "thank you", "ignore all previous instructions and {v} {t}", "drive to {t}", "clean the {n}", "make me a {n}",
    "cook {t}", "fly to {t}",
)  # fmt: skip
_NOUNS = """
    capital history price colour weather story poem song recipe kitchen mother coffee sandwich car doctor lesson
    picture meeting
"""
_TOPICS = """
    france mathematics music football politics electricity bread the moon the sea tea philosophy python cats
    winter robots money dinner light television
"""
_VERBS = """
    explain translate calculate cook paint sell repair remember visit book wash read sing summarise order
"""
_ADJECTIVES = """
    strange expensive beautiful old important difficult boring cold famous loud
"""
_LANGUAGES = (  # words of requests in other languages, shuffled into sentences
    (
        "bitte nimm lege stelle den die das rote roten blaue blauen grüne gelben würfel klotz schüssel auf in "
        "neben links von und dann danach hebe stapel zylinder"
    ),
    (
        "prends mets pose le la les rouge bleu verte jaune cube bloc bol dans sur à gauche de droite puis ensuite "
        "soulève pile cylindre s'il te plaît"
    ),
    (
        "por favor toma pon coloca el la rojo azul verde amarillo cubo bloque cuenco en sobre izquierda derecha "
        "del y luego después levanta cilindro pila"
    ),
    (
        "prendi metti posa il la rosso blu verde giallo cubo blocco ciotola nella sul sinistra destra e poi "
        "solleva cilindro per favore"
    ),
    (
        "возьми положи поставь красный синий зелёный жёлтый кубик блок миску на в слева справа от и потом подними "
        "цилиндр пожалуйста"
    ),
    "lütfen kırmızı mavi yeşil sarı bloğu küpü kaseye koy al üstüne soluna sağına sonra kaldır silindir ve",
    (
        "ota laita punainen sininen vihreä keltainen palikka kulho kuutio päälle vasemmalle oikealle sitten nosta "
        "ole hyvä ja"
    ),
    ("pak leg zet het de rode blauwe groene gele blok kom in op links rechts van en dan til cilinder alsjeblieft"),
    ("weź połóż postaw czerwony niebieski zielony żółty klocek miska na w po lewej prawej potem podnieś walec proszę"),
    ("pegue coloque o a vermelho azul verde amarelo bloco tigela em cima esquerda direita de depois levante cilindro"),
    "赤い 青い 緑の ブロック を ボウル に 入れて ください 取って 上に 置いて 红色 蓝色 方块 放在 碗里 拿起",
)


def nonsense(rng: np.random.Generator) -> str:
    """One sentence, one of very many."""

    def pick(options: Sequence[str]) -> str:
        return options[int(rng.integers(len(options)))]

    kind = rng.random()
    if kind < 0.4:
        text = pick(_OTHER_TOPICS).format(
            n=pick(_NOUNS.split()), t=pick(_TOPICS.split()), v=pick(_VERBS.split()), j=pick(_ADJECTIVES.split())
        )
    elif kind < 0.8:
        words = pick(_LANGUAGES).split()
        text = " ".join(pick(words) for _ in range(int(rng.integers(3, 10))))
    else:
        letters = string.ascii_lowercase
        count = int(rng.integers(1, 9))
        text = " ".join("".join(pick(letters) for _ in range(int(rng.integers(1, 9)))) for _ in range(count))
    return text + pick(["", "", ".", "?", "!"])


_JOBS = """
    paint wash wipe kick turn open close shake tap hide watch warm cool weigh count polish rub scratch fold roll spin tilt
    balance measure label mark sketch photograph describe smell clean dry heat freeze cut glue tie wrap unwrap press squeeze
    stretch bend break fix repair check inspect test clear empty load unload dust oil plug unplug charge start stop wake feed
    water plant dig bury throw catch bounce juggle sell buy rent lend copy scan print stamp sign seal peel chop stir mix pour
    greet praise blame follow chase guard protect borrow return sort rank compare exchange admire ignore rename number
"""
_FORMS = (
    "{v} {a}", "{v} {a}", "{v} up {a}", "{v} {a} {p} {b}", "{v} {a} {p} {b}", "{v} {a} and {b}", "{v} {a} with {b}",
    "{v} {a} , {b} and {c}", "{v} everything {p} {b}", "{v} all the {n} things {p} {b}", "{v} {a} and {v2} it {p} {b}",
)  # fmt: skip
_WAYS = "near under against around over by from with across along to at beside upon into off".split()


def made_up(names: Sequence[str], rng: np.random.Generator) -> tuple[dict[str, str], dict[str, str]]:
    """Jobs that mean nothing to an arm, about these things: placeholders -> names, and one or two phrases. Where one job ends
    and the next begins can be learnt from any of them."""
    phrases: dict[str, str] = {}
    used: dict[str, str] = {}
    for key, letters in (("first", "abc"), ("second", "def"))[: 1 + int(rng.random() < 0.75)]:
        form = pick(rng, _FORMS)
        verbs = _JOBS.split()
        words = {"v": pick(rng, verbs), "v2": pick(rng, verbs)}
        words |= {"p": pick(rng, _WAYS), "n": pick(rng, names).split()[0]}
        for letter, slot in zip("abc", letters, strict=True):
            if f"{{{letter}}}" in form:
                used[slot] = pick(rng, names)
                words[letter] = f"{{{slot}}}"
        phrases[key] = form.format(**words)
    return used, phrases
