"""`key=value` words -> a checked settings object, by Hydra's compose API (no output folders, no change of directory).

Every mistake is a UserError of one sentence that names the choices.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Sequence
from typing import Any, get_type_hints

from hydra import compose, initialize_config_module
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from embodied import registry
from embodied.cli import settings as known
from embodied.errors import UserError

# The command's own keys decide these, so a part's parameter of that name is not a second place to set it.
GIVEN_BY_COMMAND = ("body", "world", "mode", "weights", "seed")
_KINDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}


def nearest(word: str, names: Sequence[str]) -> str:
    close = difflib.get_close_matches(word, names, n=1)
    return f"did you mean {close[0]!r}? " if close else ""


def keys(schema: type) -> dict[str, dataclasses.Field[Any]]:
    """The settings of a command by name, Hydra's defaults list left out."""
    return {f.name: f for f in dataclasses.fields(schema) if f.name != "defaults"}


def chosen_groups(schema: type) -> dict[str, str]:
    """Config groups of a command and the choice that each has by default."""
    field = next((f for f in dataclasses.fields(schema) if f.name == "defaults"), None)
    if field is None or field.default_factory is dataclasses.MISSING:
        return {}
    return {
        name: choice for entry in field.default_factory() if isinstance(entry, dict) for name, choice in entry.items()
    }


def part_schema(group: str, name: str) -> type:
    """The part's own settings as a dataclass that Hydra accepts: what the command gives, and what has no default or no
    plain type, is left out."""
    fields: list[Any] = []
    for one in dataclasses.fields(registry.schema(group, name)):
        if one.name in GIVEN_BY_COMMAND or one.default is dataclasses.MISSING:
            continue
        if one.type in _KINDS:
            fields.append((one.name, one.type, one.default))
        elif one.default is None or isinstance(one.default, (int, float, bool, str)):
            fields.append((one.name, Any, one.default))
    return dataclasses.make_dataclass(f"{group.title()}{name.title()}", fields)


def group_choices(group: str) -> list[str]:
    """Names that may follow `group=`: registered parts, or files of embodied/conf/<group>."""
    if group in registry.HOMES:
        return registry.choices(group)
    from importlib.resources import files

    return sorted(
        f.name.removesuffix(".yaml") for f in (files("embodied.conf") / group).iterdir() if f.name.endswith(".yaml")
    )


def _split(word: str, command: str) -> tuple[str, str]:
    name, equal, value = word.partition("=")
    if not equal or not name or name.startswith("-"):
        raise UserError(f"{word!r} is not a setting; write key=value, and `embodied {command} --help` lists the keys")
    return name, value


def _quoted(value: str) -> str:
    """The value as a quoted string of Hydra's grammar, where commas, spaces and quotes mean themselves."""
    body = value.replace("'", "\\'")
    trailing = len(body) - len(body.rstrip("\\"))
    return f"'{body}{chr(92) * trailing}'"


def _kind(schema: type, name: str) -> Any:
    hint = get_type_hints(schema)[name]
    return str if hint == (str | None) else hint


def settings(command: str, words: Sequence[str]) -> tuple[Any, dict[str, str]]:
    """(settings object of the command's dataclass, chosen part of each group). Groups become plain dicts."""
    schema = known.COMMANDS[command].schema()
    fields, groups = keys(schema), chosen_groups(schema)
    first = known.COMMANDS[command].first
    if first and words and "=" not in words[0] and not words[0].startswith("-"):
        words = [f"{first}={words[0]}", *words[1:]]
    given = [_split(word, command) for word in words]
    chosen = dict(groups)
    for name, value in given:
        if name in groups:
            names = group_choices(name)
            if value not in names:
                raise UserError(f"unknown {name} {value!r}; {nearest(value, names)}choose from {', '.join(names)}")
            chosen[name] = value
    parts = {g: part_schema(g, choice) for g, choice in chosen.items() if g in registry.HOMES}
    overrides: list[str] = []
    seen: set[str] = set()
    for name, value in given:
        group, dot, inner = name.partition(".")
        if dot and group in parts:
            allowed, kinds = [f.name for f in dataclasses.fields(parts[group])], parts[group]
            if inner not in allowed:
                has = ", ".join(allowed) or "none"
                raise UserError(
                    f"{group} {chosen[group]!r} has no setting {inner!r}; {nearest(inner, allowed)}it has {has}"
                )
        elif name in fields:
            inner, kinds = name, schema
        else:
            there = f"choose from {', '.join(fields)}" if fields else "this command takes none"
            raise UserError(f"unknown key {name!r}; {nearest(name, list(fields))}{there}")
        if name in seen:
            raise UserError(f"{name!r} is given twice; give it once")
        seen.add(name)
        kind = _kind(kinds, inner)
        if kind is str and "${" in value:
            raise UserError(f"{name}={value!r} holds '${{', which has a meaning of its own here; leave it out")
        if kind in (int, float, bool) and (not value.strip() or any(c in value for c in ",{}[]$'\"")):
            raise UserError(f"{name}={value!r} does not fit: {name} takes {_KINDS[kind]}")
        overrides.append(f"{name}={_quoted(value)}" if kind is str and name not in groups else f"{name}={value}")
    return _compose(command, schema, parts, chosen, overrides), chosen


def _compose(command: str, schema: type, parts: dict[str, type], chosen: dict[str, str], overrides: list[str]) -> Any:
    store = ConfigStore.instance()
    store.store(name=command, node=schema)
    for group, node in parts.items():
        store.store(group=group, name=chosen[group], node=node)
    GlobalHydra.instance().clear()
    try:
        with initialize_config_module("embodied.conf", version_base="1.3"):
            made = compose(command, overrides)
    except (HydraException, OmegaConfBaseException) as fault:
        raise UserError(_sentence(fault, overrides, schema, parts)) from None
    finally:
        for group in parts:  # the store is the process's: another command may have a key of that name
            store.repo.pop(group, None)
    plain = {
        name: OmegaConf.to_container(made[name], resolve=True) if name in chosen else made[name]
        for name in keys(schema)
    }
    plain = {k: OmegaConf.to_container(v) if OmegaConf.is_config(v) else v for k, v in plain.items()}
    return schema(**plain)


def _sentence(fault: Exception, overrides: list[str], schema: type, parts: dict[str, type]) -> str:
    cause = fault.__cause__ or fault
    name = str(getattr(cause, "full_key", "") or "")
    word = next((w for w in overrides if w.partition("=")[0] == name), "")
    if name and word:
        group, dot, inner = name.partition(".")
        kind = _kind(parts[group], inner) if dot and group in parts else _kind(schema, name)
        return (
            f"{name}={word.partition('=')[2]!r} does not fit: {name} takes {_KINDS.get(kind, 'another kind of value')}"
        )
    return " ".join(str(cause).split())


def help_text(command: str) -> str:
    """Every key of the command with its default and its meaning."""
    entry = known.COMMANDS[command]
    schema = entry.schema()
    groups = chosen_groups(schema)
    rows: list[tuple[str, str, str]] = []
    for name, field in keys(schema).items():
        default = groups.get(name, field.default)
        shown = str(default).lower() if isinstance(default, bool) else str(default) if default != "" else "''"
        rows.append((name, shown, str(field.metadata.get("help", ""))))
        if name in groups and name in registry.HOMES:
            for part in dataclasses.fields(part_schema(name, groups[name])):
                rows.append((f"{name}.{part.name}", str(part.default), f"a setting of {name}={groups[name]}"))
    width = max((len(r[0]) for r in rows), default=0)
    middle = max((len(r[1]) for r in rows), default=0)
    first = " ".join((schema.__doc__ or "").split())
    before = f" [{entry.first.upper()}]" if entry.first else ""
    lines = [f"embodied {command}{before} [key=value ...]", "", first, ""]
    return "\n".join(lines + [f"  {a:<{width}}  {b:<{middle}}  {c}" for a, b, c in rows]).rstrip()
