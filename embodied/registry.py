"""Names -> parts. `@register(group, name)` is the whole change that adds a part; its typed signature is its config schema."""

from __future__ import annotations

import dataclasses
import difflib
import importlib
import inspect
import pkgutil
import types
import typing
from collections.abc import Callable
from typing import Any

from embodied.errors import UserError

# The only central list: where a group's parts live. Modules there import in milliseconds (heavy libraries inside
# constructors), so that listing choices is cheap.
HOMES = {
    "robot": "sim.robots",
    "task": "sim.tasks",
    "encoder": "embodied.model.encoders",
    "head": "embodied.model.heads",
    "backbone": "embodied.model.backbones",
    "policy": "policies",
    "data": "embodied.data.sources",
    "drive": "embodied.data.sources",
    "driver": "policies",
}
_parts: dict[str, dict[str, Callable[..., Any]]] = {}


def register(group: str, name: str) -> Callable[[Any], Any]:
    """Class or function decorator: makes the part known as `name` in `group`."""

    def add(part: Any) -> Any:
        known = _parts.setdefault(group, {})
        if name in known and known[name].__module__ != part.__module__:
            raise UserError(f"{group} {name!r} is registered twice, by {known[name].__module__} and {part.__module__}")
        known[name] = part
        part.registered_name = name
        return part

    return add


def _load(group: str) -> dict[str, Callable[..., Any]]:
    if group not in HOMES:
        raise UserError(f"unknown group {group!r}; choose from {', '.join(HOMES)}")
    home = importlib.import_module(HOMES[group])
    for module in pkgutil.iter_modules(home.__path__):
        importlib.import_module(f"{home.__name__}.{module.name}")
    return _parts.setdefault(group, {})


def choices(group: str) -> list[str]:
    """Names of all parts of the group, sorted."""
    return sorted(_load(group))


def _nearest(word: str, known: list[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1)
    return f"did you mean {close[0]!r}? " if close else ""


def part(group: str, name: str) -> Callable[..., Any]:
    """The registered class or function. UserError names the choices."""
    known = _load(group)
    if name not in known:
        raise UserError(
            f"unknown {group} {name!r}; {_nearest(name, list(known))}choose from {', '.join(sorted(known))}"
        )
    return known[name]


def schema(group: str, name: str) -> type:
    """The part's signature as a dataclass (for Hydra's ConfigStore); parameters need a type and a default."""
    made = part(group, name)
    function = made.__init__ if inspect.isclass(made) else made
    taken = dict(getattr(function, "__annotations__", {}))
    taken.pop("return", None)  # what is made may be too heavy to import for a look at what it takes
    hints = typing.get_type_hints(types.SimpleNamespace(__annotations__=taken), getattr(function, "__globals__", {}))
    fields: list[Any] = []
    for key, parameter in inspect.signature(made).parameters.items():
        default = parameter.default
        if default is inspect.Parameter.empty:
            default = dataclasses.MISSING
        mutable = isinstance(default, (list, dict))
        fields.append(
            (key, hints.get(key, Any), dataclasses.field(default_factory=lambda d=default: d) if mutable else default)
        )
    return dataclasses.make_dataclass(f"{group.title()}{name.title().replace('-', '')}", fields)


def build(group: str, name: str, **settings: Any) -> Any:
    """Construct the part. A mistyped key or a wrong type is a UserError that names the choices."""
    made = part(group, name)
    parameters = inspect.signature(made).parameters
    for key in settings:
        if key not in parameters:
            known = list(parameters)
            raise UserError(
                f"{group} {name!r} has no setting {key!r}; {_nearest(key, known)}it has {', '.join(known) or 'none'}"
            )
    return made(**settings)
