"""Broken files for the readers of meshes: `python -m tests.benchmarks.fuzz_readers [--files 10000] [--seed 0]`.

Good files of every format are damaged at random, and read. A reader may give a mesh or a ValueError; anything else,
more than two seconds, or memory out of all proportion to the file is reported, and the exit code is then 1.
"""

import argparse
import base64
import collections
import copy
import io
import json
import random
import re
import resource
import struct
import sys
import tempfile
import time
import tracemalloc
import warnings
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from common.p3d import IO, Meshes, TexturesAtlas, TexturesUV, TexturesVertex, load_obj

MOST_SECONDS = 2.0
MOST_BYTES, MOST_BYTES_PER_BYTE = 2**23, 256  # memory of a read: the first, and the second for each byte of its files
NUMBERS = [b"-1", b"0", b"1", b"99999999999", b"4294967295", b"2147483648", b"1e400", b"nan", b"1_0", b"1" * 400]
VALUES = [
    -1,
    0,
    1,
    2,
    3,
    5,
    5121,
    1.5,
    1e300,
    10**30,
    2**31,
    True,
    None,
    "",
    "VEC4",
    "../x",
    "data:,%",
    [],
    [0] * 9,
    {},
]
INTEGERS = [0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x00FFFFFF, 0x01000000]
OBJ = b"""# a pyramid
mtllib scene.mtl
v 0 0 0
v 1 0 0 # corner
v 1 1 0
v 0 1 0
v 0.5 0.5 1e0
vt 0 0
vt 1 0
vt 0.5 1
vn 0 0 1
usemtl wood
f 1/1/1 2/2/1 3/3/1 4/1/1
f 1/1 2/2 5/3
f -1//1 3//1 \\
  4//1
usemtl plain
f 1 4 5
"""
MTL = b"newmtl wood\nmap_Kd wood.png\nKd 0.5 0.25 1\nNs 10\nnewmtl plain\nKa 1 1 1\nKd 1 0 0\n"
PLY = """ply
format {} 1.0
comment made by hand
element vertex 5
property float x
property float y
property double z
property uchar red
property uchar green
property uchar blue
element face 3
property uchar flags
property list uchar int vertex_indices
end_header
"""
COFF = b"COFF\n4 2 0\n0 0 0 255 0 0\n1 0 0 0 255 0\n1 1 0 0 0 255\n0 1 1 9 9 9\n3 0 1 2\n3 0 2 3\n"
OFF = b"OFF5 2 0\n0 0 0\n1 0 0 # corner\n1 1 0\n\n0 1 0\n0.5 0.5 1\n4 0 1 2 3 0.5 0.5 1.0\n3 0 1 4 0.1 0.2 0.3\n"


def image_bytes(kind: str) -> bytes:
    """A small image file."""
    stream = io.BytesIO()
    pixels = np.arange(8 * 8 * 3, dtype=np.uint8).reshape(8, 8, 3)
    Image.fromarray(pixels).save(stream, format=kind)
    return stream.getvalue()


def ply_bytes(form: str) -> bytes:
    """A ply file with colours, faces of unequal size, and flags beside their lists."""
    verts = [(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0), (0.5, 0.5, 1)]
    faces = [(0, 1, 2, 3), (0, 1, 4), (1, 2, 4)]
    if form == "ascii":
        lines = [f"{x} {y} {z} {9 * i} 200 255" for i, (x, y, z) in enumerate(verts)]
        lines += [f"7 {len(f)} {' '.join(map(str, f))}" for f in faces]
        return (PLY.format(form) + "\n".join(lines) + "\n").encode()
    order = "<" if "little" in form else ">"
    data = b"".join(struct.pack(f"{order}ffdBBB", *v, 9 * i, 200, 255) for i, v in enumerate(verts))
    return PLY.format(form).encode() + data + b"".join(struct.pack(f"{order}BB{len(f)}i", 7, len(f), *f) for f in faces)


def gltf_files(folder: Path) -> dict[str, bytes]:
    """A glb file with an image, one with vertex colours, and a gltf file with nodes and data URIs."""
    verts, faces = torch.tensor([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 1]]), torch.tensor([[0, 1, 2], [0, 2, 3]])
    textures = TexturesUV([torch.rand(4, 4, 3)], [faces], [verts[:, :2]])
    IO().save_mesh(Meshes([verts], [faces], textures), folder / "image.glb")
    IO().save_mesh(Meshes([verts], [faces], TexturesVertex([verts])), folder / "colors.glb")
    IO().save_mesh(Meshes([verts], [faces], TexturesAtlas([torch.rand(2, 1, 1, 3)])), folder / "atlas.off")
    data = (folder / "image.glb").read_bytes()
    length = struct.unpack_from("<I", data, 12)[0]
    scene, chunk = json.loads(data[20 : 20 + length]), data[28 + length :]
    scene["buffers"] = [{"byteLength": len(chunk), "uri": f"data:;base64,{base64.b64encode(chunk).decode()}"}]
    scene["scenes"] = [{"nodes": [0, 2]}]
    scene["nodes"] = [{"children": [1], "translation": [1, 2, 3]}, {"mesh": 0, "scale": [2, 2, 2]}]
    scene["nodes"] += [{"mesh": 0, "rotation": [0, 0.6, 0, 0.8]}]
    text = json.dumps(scene).encode()
    return {"image.glb": data, "colors.glb": (folder / "colors.glb").read_bytes(), "scene.gltf": text}


def seeds(folder: Path) -> dict[str, bytes]:
    """Good files by name; those of an obj file's material and image are written into the folder."""
    files = {"scene.obj": OBJ, "scene.mtl": MTL, "wood.png": image_bytes("PNG"), "wood.jpg": image_bytes("JPEG")}
    files |= {f"{form}.ply": ply_bytes(form) for form in ("ascii", "binary_little_endian", "binary_big_endian")}
    files |= {"colors.off": COFF, "faces.off": OFF, **gltf_files(folder)}
    for name in ("scene.obj", "scene.mtl", "wood.png"):
        (folder / name).write_bytes(files[name])
    return files


def damage(data: bytes, rng: random.Random) -> bytes:
    """One to four random changes."""
    for _ in range(rng.choice([1, 1, 2, 4])):
        at, data = rng.randrange(len(data) + 1), bytearray(data)
        kind = rng.choice(["flip", "cut", "number", "number", "integer", "insert", "repeat", "drop"])
        if kind == "flip" and data:
            data[at % len(data)] ^= 1 << rng.randrange(8)
        elif kind == "cut":
            del data[at:]
        elif kind == "number":
            found = list(re.finditer(rb"[-+.\d]+", data))
            if found:
                start, stop = rng.choice(found).span()
                data[start:stop] = rng.choice(NUMBERS)
        elif kind == "integer":
            data[at : at + 4] = struct.pack(rng.choice("<>") + "I", rng.choice(INTEGERS))
        elif kind == "insert":
            data[at:at] = rng.choice([rng.randbytes(8), b"\n", b" ", b"/", b"[" * 5000, b"#", b"\\\n", b"\0" * 50])
        elif kind == "repeat":
            data[at:at] = data[at : at + rng.randrange(1, 200)] * rng.choice([1, 3, 50])
        elif kind == "drop":
            del data[at : at + rng.randrange(1, 30)]
        data = bytes(data)
    return data


def damage_scene(data: bytes, rng: random.Random) -> bytes:
    """A glb or gltf file with one to three values of its JSON replaced, whose chunks still fit."""
    length = struct.unpack_from("<I", data, 12)[0] if data[:4] == b"glTF" else 0
    scene = json.loads(data[20 : 20 + length] if length else data)
    for _ in range(rng.randrange(1, 4)):
        place = scene
        while True:
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            if not keys:
                break
            key = rng.choice(keys)
            if not isinstance(place[key], dict | list) or rng.random() < 0.1:
                place[key] = copy.deepcopy(rng.choice(VALUES))
                break
            place = place[key]
    text = json.dumps(scene).encode()
    if not length:
        return text
    head = struct.pack("<4sIII4s", b"glTF", 2, len(data) - length + len(text), len(text), b"JSON")
    return head + text + data[20 + length :]


def read(name: str, data: bytes, folder: Path) -> None:
    """Reads one file, an image or a material through the obj file that names it."""
    targets = {"scene.mtl": "scene.mtl", "wood.png": "wood.png", "wood.jpg": "wood.png"}
    target = targets.get(name, f"broken{Path(name).suffix}")
    kept = (folder / target).read_bytes() if (folder / target).exists() else None
    (folder / target).write_bytes(data)
    path = folder / (target if target.startswith("broken") else "scene.obj")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if path.suffix == ".obj":
                load_obj(path, create_texture_atlas=True)
            if path.suffix == ".ply":
                IO().load_pointcloud(path)
            IO().load_mesh(path)
    finally:
        if kept is not None and not target.startswith("broken"):
            (folder / target).write_bytes(kept)


def fuzz(files: int, seed: int, folder: Path) -> tuple[collections.Counter, list[str]]:
    """Outcomes, counted by format and exception, and what should not have happened."""
    rng, outcomes, wrong = random.Random(seed), collections.Counter(), []
    good = seeds(folder)
    for name, data in good.items():
        read(name, data, folder)  # a good file raises nothing
    for number in range(files):
        name = rng.choice(list(good))
        scene = Path(name).suffix in (".glb", ".gltf") and rng.random() < 0.7
        data, outcome = (damage_scene if scene else damage)(good[name], rng), "read"
        tracemalloc.start()
        start = time.perf_counter()
        try:
            read(name, data, folder)
        except ValueError:
            outcome = "ValueError"
        except Exception as error:
            outcome = type(error).__name__
            wrong.append(f"file {number} ({name}): {outcome}: {error}")
        seconds, peak = time.perf_counter() - start, tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        if seconds > MOST_SECONDS:
            wrong.append(f"file {number} ({name}): {seconds:.1f} s")
        if peak > MOST_BYTES + MOST_BYTES_PER_BYTE * len(data):
            wrong.append(f"file {number} ({name}): {peak / 2**20:.0f} MiB for {len(data)} bytes")
        outcomes[Path(name).suffix, outcome] += 1
    return outcomes, wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=10_000, help="number of files (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the damage (default: %(default)s)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        outcomes, wrong = fuzz(options.files, options.seed, Path(folder))
    for (suffix, outcome), count in sorted(outcomes.items()):
        print(f"{suffix:6} {outcome:12} {count:6}")
    print(f"most memory of the process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")
    print("\n".join(wrong) if wrong else "no file did anything else")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
