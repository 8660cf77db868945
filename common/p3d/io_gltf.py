"""glTF 2.0 meshes (Khronos, "glTF 2.0 Specification"): glb and gltf files read, glb written."""

import base64
import json
import os
import struct
import urllib.parse

import numpy as np
import torch
from torch import Tensor

from .io_files import NO_SUCH, png_bytes, read_bytes, read_image, read_linked, refuse, write_bytes
from .meshes import Meshes, join_meshes_as_scene
from .rotations import quaternion_to_matrix
from .textures import TexturesUV, TexturesVertex

COMPONENTS = {5120: "<i1", 5121: "<u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}
EXTENSIONS = {"KHR_mesh_quantization", "KHR_materials_unlit"}
MOST_REPEATED = 64  # vertices and indices of a scene per byte of its file


def read_gltf(f, include_textures: bool = True, device="cpu", **_) -> Meshes:
    """All triangles of the default scene as one mesh, moved by the transforms of its nodes.

    Textured by COLOR_0 if all parts have it, else by the image or factor of their base colours.

    Raises:
        ValueError: no such file, or one that needs what is not read (other extensions, sparse accessors); names it.
    """
    data, name = read_bytes(f)
    try:
        return GltfFile(data, name).mesh(include_textures).to(device)
    except ValueError as error:
        raise ValueError(str(error) if str(error).startswith(name) else f"{name}: not a glTF file: {error}") from None
    except (LookupError, TypeError, AttributeError, OverflowError, RecursionError, struct.error) as error:
        raise ValueError(f"{name}: not a glTF 2.0 file: {type(error).__name__}: {str(error)[:80]}") from None


class GltfFile:
    """A file's JSON, and its buffers and images, read when needed."""

    def __init__(self, data: bytes, name: str):
        self.name, self.size, self.images, self.buffers = name, len(data), {}, {}
        if data[:4] == b"glTF":
            chunks, at, version = {}, 12, struct.unpack_from("<I", data, 4)[0]
            if version != 2:
                raise ValueError(f"{name}: glTF version {version} is not read, only 2")
            while at < len(data):
                size, kind = struct.unpack_from("<I4s", data, at)
                at += 8 + size
                if at > len(data):
                    raise ValueError(f"{name}: truncated: it ends within a chunk of {size} bytes")
                chunks.setdefault(kind, data[at - size : at])
            data, self.buffers[0] = chunks[b"JSON"], chunks.get(b"BIN\0")
        self.json = json.loads(data)
        needed = set(self.json.get("extensionsRequired", [])) - EXTENSIONS
        if needed:
            raise ValueError(f"{name}: needs extensions that are not read: {sorted(needed)}")

    def mesh(self, include_textures: bool) -> Meshes:
        """The scene."""
        parts = [part for node, matrix in self.nodes() for part in self.parts(node["mesh"], matrix)]
        if not parts:
            raise ValueError(f"{self.name}: its scene has no mesh")
        colors = [self.attribute(primitive, "COLOR_0") for primitive, _, _ in parts]
        textured = include_textures and any("material" in p for p, _, _ in parts)
        meshes = []
        for (primitive, verts, faces), color in zip(parts, colors, strict=True):
            textures = None
            if include_textures and all(c is not None for c in colors):
                textures = TexturesVertex([color[:, :3]])
            elif textured:
                uv = self.attribute(primitive, "TEXCOORD_0")
                uv = torch.zeros(len(verts), 2) if uv is None else torch.stack((uv[:, 0], 1 - uv[:, 1]), 1)
                textures = TexturesUV([self.base_color(primitive)], [faces], [uv])
            meshes.append(Meshes([verts], [faces], textures))
        return meshes[0] if len(meshes) == 1 else join_meshes_as_scene(meshes)

    def item(self, kind: str, index: int) -> dict:
        """An entry of one of the file's lists."""
        if not isinstance(index, int) or index < 0:
            raise ValueError(f"{self.name}: {kind}: {index!r} is not an index")
        return self.json[kind][index]

    def nodes(self) -> list[tuple[dict, np.ndarray]]:
        """The scene's nodes with a mesh, and their transforms (4, 4) of column vectors."""
        if "scenes" in self.json:
            roots = self.item("scenes", self.json.get("scene", 0)).get("nodes", [])
        else:
            nodes = self.json.get("nodes", [])
            roots = set(range(len(nodes))).difference(*(node.get("children", []) for node in nodes))
        waiting, seen, found = [(root, np.eye(4)) for root in roots], set(), []
        for index, parent in waiting:  # which grows
            if index in seen:
                raise ValueError(f"{self.name}: node {index} is reached twice")
            seen.add(index)
            node, local = self.item("nodes", index), np.eye(4)
            if "matrix" in node:
                local = np.array(node["matrix"], np.float64).reshape(4, 4).T
            else:  # scaled, then rotated, then moved
                x, y, z, w = node.get("rotation", (0, 0, 0, 1))
                rotation = quaternion_to_matrix(torch.tensor([w, x, y, z], dtype=torch.float64)).numpy()
                local[:3, :3] = rotation * np.array(node.get("scale", (1, 1, 1)), np.float64)
                local[:3, 3] = node.get("translation", 0)
            waiting += [(child, parent @ local) for child in node.get("children", [])]
            found += [(node, parent @ local)] if "mesh" in node else []
        return found

    def parts(self, index: int, matrix: np.ndarray) -> list[tuple[dict, Tensor, Tensor]]:
        """The primitives of a mesh, each with its vertices (V, 3) in the scene and its triangles (F, 3)."""
        parts, name = [], f"{self.name}: mesh {index}"
        for primitive in self.item("meshes", index)["primitives"]:
            local, mode = self.accessor(primitive["attributes"]["POSITION"]), primitive.get("mode", 4)
            indices = self.accessor(primitive["indices"]) if "indices" in primitive else np.arange(len(local))
            self.size -= (len(local) + len(indices)) / MOST_REPEATED
            if self.size < 0 or mode not in (4, 5, 6):
                raise ValueError(f"{name}: of points or lines, or its data are repeated too often")
            indices = indices.astype(np.int64).reshape(-1)
            step = np.arange(max(len(indices) - 2, 0))
            columns = (0 * step, step + 1, step + 2)  # a fan
            if mode == 5:  # a strip
                columns = (step, step + 1 + step % 2, step + 2 - step % 2)
            faces = indices.reshape(-1, 3) if mode == 4 else indices[np.stack(columns, 1)]
            refuse(((faces < 0) | (faces >= len(local))).any(1), NO_SUCH, name)
            faces = faces[:, ::-1].copy() if np.linalg.det(matrix[:3, :3]) < 0 else faces  # a mirror turns them around
            verts = local.astype(np.float64) @ matrix[:3, :3].T + matrix[:3, 3]
            parts.append((primitive, torch.from_numpy(verts.astype(np.float32)), torch.from_numpy(faces)))
        return parts

    def attribute(self, primitive: dict, key: str) -> Tensor | None:
        """(V, width) float32 of a primitive's vertices; None if it has no such attribute."""
        index = primitive["attributes"].get(key)
        return None if index is None else torch.from_numpy(self.accessor(index).astype(np.float32))

    def accessor(self, index: int) -> np.ndarray:
        """(count, width) numbers, not copied; integers that are said to be normalised divided by their largest."""
        accessor = self.item("accessors", index)
        if "sparse" in accessor or "bufferView" not in accessor:
            raise ValueError(f"{self.name}: sparse accessors are not read")
        data, stride = self.view(accessor["bufferView"])
        kind, width = np.dtype(COMPONENTS[accessor["componentType"]]), WIDTHS[accessor["type"]]
        stride = width * kind.itemsize if stride is None else stride
        if stride < width * kind.itemsize:
            raise ValueError(f"{self.name}: the items of accessor {index} overlap")
        shape, strides = (accessor["count"], width), (stride, kind.itemsize)
        values = np.ndarray(shape, kind, data, accessor.get("byteOffset", 0), strides)  # TypeError if beyond the data
        if accessor.get("normalized") and kind.kind != "f":
            return np.maximum(values.astype(np.float32) / np.iinfo(kind).max, -1)
        return values

    def view(self, index: int) -> tuple[bytes, int | None]:
        """The bytes of a buffer view, and its stride."""
        view = self.item("bufferViews", index)
        buffer, start, size = view["buffer"], view.get("byteOffset", 0), view["byteLength"]
        if self.buffers.get(buffer) is None:
            self.buffers[buffer] = self.linked(self.item("buffers", buffer)["uri"]) or b""
        if min(start, size) < 0 or start + size > len(self.buffers[buffer]):
            raise ValueError(f"{self.name}: buffer view {index} reaches beyond the bytes that are there")
        return memoryview(self.buffers[buffer])[start : start + size], view.get("byteStride")

    def linked(self, uri: str) -> bytes | None:
        """The bytes of a data URI, or of a file beside this one; None if that is not there."""
        if uri.startswith("data:"):
            return base64.b64decode(uri.partition(",")[2])
        return read_linked(os.path.join(os.path.dirname(self.name), urllib.parse.unquote(uri)))

    def base_color(self, primitive: dict) -> Tensor:
        """(H, W, 3) in [0, 1]: a material's image, grey if it is missing, or its factor as one texel."""
        look = self.item("materials", primitive["material"]) if "material" in primitive else {}
        look = look.get("pbrMetallicRoughness", {})
        if "baseColorTexture" not in look:
            factor = tuple(look.get("baseColorFactor", (1, 1, 1, 1)))
            return self.images.setdefault(factor, torch.tensor(factor, dtype=torch.float32)[:3].view(1, 1, 3))
        key = self.item("textures", look["baseColorTexture"]["index"])["source"]
        if key not in self.images:
            image = self.item("images", key)
            data = self.view(image["bufferView"])[0] if "bufferView" in image else self.linked(image["uri"])
            missing = torch.full((1, 1, 3), 0.5)
            self.images[key] = missing if data is None else read_image(bytes(data), f"{self.name}, image {key}")
        return self.images[key]


def write_glb(meshes: Meshes, f, binary: bool | None = None, **_) -> None:
    """Writes a mesh with its vertex colours or its image; vertices with several texture coordinates are split."""
    verts, faces, textures = meshes.verts_list()[0].detach().cpu(), meshes.faces_list()[0].cpu(), meshes.textures
    arrays, image, primitive = {}, b"", {"indices": 1}
    scene = {"asset": {"version": "2.0"}, "scene": 0, "scenes": [{"nodes": [0]}], "nodes": [{"mesh": 0}]}
    if isinstance(textures, TexturesVertex):
        arrays["COLOR_0"] = textures.verts_features_list()[0][:, :3]
    elif isinstance(textures, TexturesUV):
        uvs, corners = textures.verts_uvs_list()[0].detach().cpu(), textures.faces_uvs_list()[0].cpu()
        if len(uvs) != len(verts) or not torch.equal(corners, faces):
            pairs, index = torch.stack((faces, corners), 2).view(-1, 2).unique(dim=0, return_inverse=True)
            verts, uvs, faces = verts[pairs[:, 0]], uvs[pairs[:, 1]], index.view(-1, 3)
        arrays["TEXCOORD_0"] = torch.stack((uvs[:, 0], 1 - uvs[:, 1]), 1)
        image = png_bytes(textures.maps_list()[0][..., :3])
        scene |= {"images": [{"mimeType": "image/png", "bufferView": 3}], "textures": [{"source": 0}]}
        scene["materials"] = [{"pbrMetallicRoughness": {"baseColorTexture": {"index": 0}, "metallicFactor": 0.0}}]
        primitive["material"] = 0
    arrays = {"POSITION": verts, "indices": faces.reshape(-1, 1), **arrays}
    accessors, views, chunk = _chunk(arrays, image)
    primitive["attributes"] = {key: k for k, key in enumerate(arrays) if key != "indices"}
    scene |= {"meshes": [{"primitives": [primitive]}], "accessors": accessors, "bufferViews": views}
    text = json.dumps({**scene, "buffers": [{"byteLength": len(chunk)}]}).encode()
    text += b" " * (-len(text) % 4)
    head = struct.pack("<4sIII4s", b"glTF", 2, 28 + len(text) + len(chunk), len(text), b"JSON")
    write_bytes(f, head + text + struct.pack("<I4s", len(chunk), b"BIN\0") + chunk)


def _chunk(arrays: dict[str, Tensor], image: bytes) -> tuple[list[dict], list[dict], bytes]:
    """Accessors and buffer views of arrays (R, C), a view of the image behind them, and the bytes of all."""
    accessors, views, blocks, chunk = [], [], [], b""
    for key, rows in arrays.items():
        rows = rows.detach().cpu().numpy().astype("<u4" if key == "indices" else "<f4")
        accessors.append({"bufferView": len(blocks), "count": len(rows), "type": list(WIDTHS)[rows.shape[1] - 1]})
        accessors[-1]["componentType"] = 5125 if key == "indices" else 5126
        if len(rows):
            accessors[-1].update(min=rows.min(0).tolist(), max=rows.max(0).tolist())
        blocks.append(rows.tobytes())
    for block in [*blocks, image] if image else blocks:
        views.append({"buffer": 0, "byteOffset": len(chunk), "byteLength": len(block)})
        chunk += block + b"\0" * (-len(block) % 4)
    return accessors, views, chunk
