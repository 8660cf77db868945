"""A scene by name or path."""

from pathlib import Path

from common.cli import UserError
from common.scenes.posed_images import PosedImages

SCENES = ("lego", "materials", "fern")


def load_scene(name: str, image_size: tuple[int, int] | int | None, data_dir: str | None = None) -> PosedImages:
    """Posed pictures of a scene.

    Args:
        name: "lego", "materials" or "fern": the official files ``name.pth`` and ``name.png`` where the data folder
            holds them, else the procedural scene of that name; or a folder with ``transforms.json`` (nerfstudio,
            instant-ngp) or ``transforms_train.json`` (NeRF-synthetic), with COLMAP's ``sparse/0``, or with ``imgs`` and
            ``poses`` (assignment 4), by path or in the data folder; or a folder
            ``name`` with the official ``name.pth``; or a ``transforms.json`` or official ``.pth`` file.
        image_size: height and width, pixels, that the pictures are brought to, or the shorter of both; None leaves them
            as they are.

    Raises:
        UserError: no such scene; files that are damaged or do not fit each other.
    """
    from common.outputs import data_folder
    from common.scenes.colmap import colmap_scene, has_colmap_model
    from common.scenes.official import official_scene
    from common.scenes.posed_npy import posed_npy_scene
    from common.scenes.procedural import RECIPES, procedural_scene
    from common.scenes.transforms_json import transforms_scene

    folder = data_folder(data_dir)
    path = next((path for path in (Path(name), folder / name, folder / f"{name}.pth") if path.exists()), Path(name))
    if (path / f"{path.name}.pth").is_file():  # as the course keeps its materials
        path = path / f"{path.name}.pth"
    if path.suffix == ".pth" or path.suffix == ".json" or path.is_dir():
        if path.suffix == ".pth":
            scene = official_scene(path)
        elif (path / "poses").is_dir():
            scene = posed_npy_scene(path)
        elif path.is_dir() and has_colmap_model(path):
            scene = colmap_scene(path)
        elif path.is_dir() and not list(path.glob("transforms*.json")):
            raise UserError(f"{path}: holds none of transforms.json, transforms_train.json, sparse/0, imgs and poses")
        else:
            scene = transforms_scene(path)
        if isinstance(image_size, int):
            shorter = min(scene.image_size)
            image_size = tuple(round(side * image_size / shorter) for side in scene.image_size)
        return scene if image_size is None else scene.resized(*image_size)
    if isinstance(image_size, int):
        image_size = (image_size, image_size)
    if name in RECIPES:
        return procedural_scene(name, image_size or (128, 128), data_dir)
    known = ", ".join(RECIPES)
    raise UserError(
        f"{name}: no such scene; it is one of {known}, a folder with transforms.json, sparse/0 or "
        f"poses (by path, or in {folder}), or a .pth file"
    )
