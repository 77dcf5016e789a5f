"""key=value arguments of the scripts here, and one sentence for a wrong one."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from embodied.errors import UserError


def options(arguments: list[str], **defaults: Any) -> dict[str, Any]:
    """The defaults, overridden; whole numbers where the default is one. UserError for what is no such argument."""
    out = dict(defaults)
    for argument in arguments:
        key, _, value = argument.partition("=")
        if key not in defaults or not value:
            raise UserError(f"{argument!r} is no argument here; give key=value, with a key of {', '.join(defaults)}")
        if isinstance(defaults[key], int) and not value.isdecimal():
            raise UserError(f"{argument!r} needs a whole number, for example {key}={defaults[key]}")
        out[key] = int(value) if isinstance(defaults[key], int) else value
    return out


def leave(main: Callable[[list[str]], int]) -> None:
    """Run a script's main and exit; a user's mistake is one sentence and exit code 2; -h prints what the script says of itself."""
    if {"-h", "--help"} & set(sys.argv[1:]):
        print(sys.modules["__main__"].__doc__)
        sys.exit(0)
    try:
        sys.exit(main(sys.argv[1:]))
    except UserError as error:
        print(error)
        sys.exit(2)
