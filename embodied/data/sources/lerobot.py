"""A LeRobotDataset v3 folder as training windows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embodied.errors import UserError
from embodied.registry import register

if TYPE_CHECKING:
    from embodied.data.windows import Windows


@register("data", "lerobot")
def lerobot(
    root: str = "", horizon: int = 16, history: int = 8, within_step: bool = False, cache: bool = True
) -> Windows:
    """Windows of the dataset at `root`; see embodied.data.windows."""
    from embodied.data.dataset import Dataset
    from embodied.data.windows import Windows

    if not root:
        raise UserError("data 'lerobot' needs root=FOLDER, a LeRobotDataset v3")
    return Windows(Dataset(root), horizon, history, within_step=within_step, cache=cache)
