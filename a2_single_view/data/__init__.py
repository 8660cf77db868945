"""The shapes of a command: the official ones where the data folder holds them, else the embedded set."""

from a2_single_view.data import official
from a2_single_view.data.embedded import CLASSES, load_embedded
from a2_single_view.data.packed import ShapeViews

__all__ = ["CLASSES", "load_shapes"]


def load_shapes(
    classes: tuple[str, ...] = ("chair",), data_dir: str | None = None, skip_bad: bool = False
) -> dict[str, ShapeViews]:
    """Training, validation and test shapes of the classes, by split."""
    if official.is_there(data_dir, classes):
        return official.load_official(classes, data_dir, skip_bad)
    return load_embedded(classes, data_dir)
