"""GGUF -> safetensors, once: dequantising 135 million weights takes some ten seconds, reading them back less than one.

The copy lies in EMBODIED_CACHE, else XDG_CACHE_HOME/embodied-planner, else ~/.cache/embodied-planner, and can be deleted at any
time.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import struct
import sys
import tempfile
from pathlib import Path

from embodied.errors import UserError

MAGIC = b"GGUF"
SIZES = "sizes.json"  # file name -> bytes; written last, so that a copy without it is an unfinished one
GROWTH = 7  # a weight of 4.5 bits becomes one of 32


def cache() -> Path:
    """The folder for what can be made again."""
    own, shared = os.environ.get("EMBODIED_CACHE"), os.environ.get("XDG_CACHE_HOME")
    return Path(own) if own else Path(shared or Path.home() / ".cache") / "embodied-planner"


def unpacked(path: Path) -> Path:
    """The folder with config.json, model.safetensors and tokenizer.json of this GGUF. Written beside and swapped in by
    one rename; UserError when it is no GGUF or there is no room."""
    try:
        with path.open("rb") as file:
            start = file.read(1 << 20)
    except OSError as error:
        raise UserError(f"cannot read {str(path)!r} ({error.strerror}); give the path of a .gguf file") from None
    if start[:4] != MAGIC:
        raise UserError(f"{str(path)!r} is no GGUF file (it begins with {start[:4]!r}); download it again")
    key = hashlib.sha256(start + str(path.stat().st_size).encode()).hexdigest()[:16]
    folder = cache() / "gguf" / f"{path.stem}-{key}"
    if not whole(folder):
        _unpack(path, folder)
    return folder


def whole(folder: Path) -> bool:
    """Whether every file is there with the size that it was written with."""
    try:
        sizes = json.loads((folder / SIZES).read_text())
        return all((folder / name).stat().st_size == size for name, size in sizes.items())
    except (OSError, ValueError):
        return False


def _unpack(path: Path, folder: Path) -> None:
    try:
        from gguf import GGUFReader  # noqa: F401  # transformers asks for it too late to say so well
    except ImportError:
        raise UserError(f"reading {path.name} needs gguf; run: pip install 'embodied-planner[lm]'") from None
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    print(f"unpacking {path.name} to {folder} (once)", file=sys.stderr)
    need = GROWTH * path.stat().st_size
    no_room = f"no space for the cache at {str(folder.parent)!r} ({need / 1e6:.0f} MB); set EMBODIED_CACHE to a folder with room"
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(folder.parent).free < need:
            raise UserError(no_room)
        part = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", dir=folder.parent))
    except OSError as error:
        raise UserError(
            f"cannot write the cache at {str(folder.parent)!r} ({error.strerror}); set EMBODIED_CACHE"
        ) from None
    try:
        where = {"pretrained_model_name_or_path": str(path.parent), "gguf_file": path.name}
        model = AutoModelForCausalLM.from_pretrained(**where, dtype="float32")
        model.hf_quantizer = None  # else saving looks for a quantised form that is gone
        model.save_pretrained(part)
        AutoTokenizer.from_pretrained(**where).save_pretrained(part)
        (part / SIZES).write_text(json.dumps({one.name: one.stat().st_size for one in part.iterdir()}))
        shutil.rmtree(folder, ignore_errors=True)
        try:
            part.rename(folder)
        except OSError:  # another process was first
            if not whole(folder):
                raise
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise UserError(no_room) from None
        raise UserError(f"{path.name} could not be unpacked to {str(folder)!r} ({error})") from error
    except (ValueError, KeyError, IndexError, TypeError, RuntimeError, struct.error) as error:
        raise UserError(f"{str(path)!r} is damaged or of a kind that transformers cannot read ({error})") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
