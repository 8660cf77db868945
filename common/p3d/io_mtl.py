"""Materials of obj files (mtl), and their textures as one small square of texels per face."""

import os

import torch
from torch import Tensor
from torch.nn import functional as F

from .io_files import read_image, read_linked

PROPERTIES = {"Ka": "ambient_color", "Kd": "diffuse_color", "Ks": "specular_color", "Ns": "shininess"}
Materials = dict[str, dict[str, Tensor]]


def parse_mtl(data: bytes, name: str) -> tuple[Materials, dict[str, str]]:
    """Each material's colours (3,) and shininess (1,), and the path of its diffuse texture's file.

    ValueError, with file and line, for too few numbers, or none.
    """
    materials, textures, material, properties = {}, {}, "", {}
    for number, line in enumerate(data.splitlines(), 1):
        keyword, *rest = os.fsdecode(line).strip().split(None, 1) or [""]
        value = rest[0] if rest else ""
        if keyword == "newmtl":
            material, properties = value, materials.setdefault(value, {})
        elif keyword == "map_Kd":
            textures[material] = os.path.normpath(os.path.join(os.path.dirname(name), value.replace("\\", "/")))
        elif keyword in PROPERTIES:
            width = 1 if keyword == "Ns" else 3
            try:
                numbers = [float(word) for word in value.split()[:width]]
                properties[PROPERTIES[keyword]] = torch.tensor(numbers).view(width)
            except (ValueError, RuntimeError):
                raise ValueError(f"{name}, line {number}: {keyword} needs {width} numbers") from None
    return materials, textures


def load_materials(libraries: list[str], used: list[str]) -> tuple[Materials, dict[str, Tensor]]:
    """Properties and images (H, W, 3) of the materials that are used, or of the only one if none is.

    Warns of files that are not there; ValueError for those that are not what they should be.
    """
    materials, paths = {}, {}
    for library in libraries:
        data = read_linked(library)
        if data is not None:
            found, textures = parse_mtl(data, library)
            materials |= found
            paths |= textures
    names = used or (list(materials) if len(materials) == 1 else [])
    files = {path: read_linked(path) for path in dict.fromkeys(paths[name] for name in names if name in paths)}
    images = {path: read_image(data, path) for path, data in files.items() if data is not None}
    colors = {name: materials[name] for name in names if name in materials}
    return colors, {name: images[paths[name]] for name in names if paths.get(name) in images}


def make_atlas(colors: Materials, images: dict, names: list[str], material: Tensor, uvs: Tensor, size: int) -> Tensor:
    """The texture of each face as a square of texels (F, size, size, 3), laid out as `TexturesAtlas` reads it.

    White; or its material's diffuse colour; or its material's image at the centres of the size^2 small triangles that
    the face divides into (Liu et al. 2019, "Soft Rasterizer").

    Args:
        material: (F,) int, places in `names`, -1 for none.
        uvs: (F, 3, 2) texture coordinates of the corners, nan for a face that has none.
    """
    y, x = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    cell = torch.stack((x, y), 2)
    bary = torch.where((x + y < size)[..., None], cell + 1 / 3, size - 1 - cell + 2 / 3) / size
    bary = torch.cat((bary, 1 - bary.sum(2, keepdim=True)), 2)
    atlas = torch.ones(len(uvs), size, size, 3)
    for number, name in enumerate(names):
        if "diffuse_color" in colors.get(name, {}):
            atlas[material == number] = colors[name]["diffuse_color"]
        if name in images:
            chosen = torch.where((material == number) & ~uvs.isnan().any(2).any(1))[0]
            places = torch.einsum("ijk,fkd->fijd", bary, uvs[chosen]).reshape(1, -1, size, 2) * 2 - 1
            texels = F.grid_sample(images[name].flip(0).permute(2, 0, 1)[None], places, align_corners=True)
            atlas[chosen] = texels[0].permute(1, 2, 0).reshape(-1, size, size, 3)
    return atlas
