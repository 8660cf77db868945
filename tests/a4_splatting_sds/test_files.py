"""Files of Gaussians: what is written is read, and what is damaged is refused with one clear line."""

import numpy as np
import pytest
import torch

from a4_splatting_sds.files import load_gaussians, save_gaussians
from a4_splatting_sds.scene import render
from a4_splatting_sds.spherical_harmonics import C0
from common.cli import UserError
from tests.a4_splatting_sds.conftest import camera, scene


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
def test_ply_keeps_everything(tmp_path, degree):
    """Every parameter, to the bit, under the original's names and in its order."""
    gaussians = scene(20, degree)
    path = save_gaussians(tmp_path / "a.ply", gaussians)
    for name, values in load_gaussians(path).tensors().items():
        assert torch.equal(values, gaussians.tensors()[name]), name
    header = path.read_bytes().split(b"end_header")[0].decode()
    names = [line.split()[2] for line in header.splitlines() if line.startswith("property")]
    rest = [f"f_rest_{i}" for i in range(3 * ((degree + 1) ** 2 - 1))]
    assert names == [
        *"x y z nx ny nz f_dc_0 f_dc_1 f_dc_2".split(),
        *rest,
        "opacity",
        *(f"scale_{i}" for i in range(3)),
        *(f"rot_{i}" for i in range(4)),
    ]


def test_all_of_red_come_first(tmp_path):
    """The original stores coefficients channel by channel."""
    gaussians = scene(3, 1)
    data = save_gaussians(tmp_path / "a.ply", gaussians).read_bytes().split(b"end_header\n")[1]
    rows = np.frombuffer(data, "<f4").reshape(3, -1)
    np.testing.assert_array_equal(rows[:, 9:18].reshape(3, 3, 3).transpose(0, 2, 1), gaussians.sh_rest.detach().numpy())


def text_of(path, order=None, drop=(), add=(), change=None):
    """The file as text, or in another byte order, with properties left out, added, or another value of one."""
    header, data = path.read_bytes().split(b"end_header\n")
    lines = header.decode().splitlines()
    names = [line.split()[2] for line in lines if line.startswith("property")]
    rows = np.frombuffer(data, "<f4").reshape(-1, len(names)).copy()
    if change:
        rows[change[0], names.index(change[1])] = change[2]
    kept = [i for i, name in enumerate(names) if name not in drop]
    rows = np.concatenate((rows[:, kept], np.ones((len(rows), len(add)), np.float32)), 1)
    kind = {"<": "binary_little_endian", ">": "binary_big_endian", None: "ascii"}[order]
    head = ["ply", f"format {kind} 1.0", f"element vertex {len(rows)}"]
    head += [f"property float {name}" for name in [*(names[i] for i in kept), *add]]
    text = "\n".join([*head, "end_header", ""]).encode()
    if order:
        return text + rows.astype(order + "f4").tobytes()
    return text + "\n".join(" ".join(repr(float(v)) for v in row) for row in rows).encode()


@pytest.mark.parametrize("order", [None, "<", ">"])
def test_text_and_both_byte_orders_are_read(tmp_path, order):
    """And properties that mean nothing here are passed over."""
    gaussians = scene(9, 2)
    path = save_gaussians(tmp_path / "a.ply", gaussians)
    path.write_bytes(text_of(path, order, drop=("nx", "ny", "nz"), add=("confidence", "label")))
    for name, values in load_gaussians(path).tensors().items():
        torch.testing.assert_close(values, gaussians.tensors()[name], atol=0, rtol=1e-6)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"drop": ("opacity",)}, "vertices without opacity"),
        ({"drop": ("f_dc_1",)}, "vertices without f_dc_1"),
        ({"drop": ("rot_3",)}, "vertices without rot_3"),
        ({"drop": ("scale_1",)}, "vertices without scale_1"),
        ({"drop": ("f_rest_8",)}, "8 properties f_rest_"),
        ({"add": ("f_rest_9", "f_rest_10")}, "11 properties f_rest_"),
        ({"change": (4, "x", np.nan)}, "Gaussian 4 has means that is not finite"),
        ({"change": (2, "opacity", np.inf)}, "Gaussian 2 has opacity_logits that is not finite"),
        ({"change": (1, "scale_2", 80.0)}, "Gaussian 1 has a scale that is too large"),
        ({"change": (3, "rot_0", 1e20)}, "Gaussian 3 has a rotation that is too long"),
        ({"change": (3, "f_dc_0", 3e38)}, "Gaussian 3 has a colour that is too bright"),
        ({"change": (0, "y", 1e20)}, "Gaussian 0 has a place that is too far away"),
        ({"change": (3, ["rot_0", "rot_1", "rot_2", "rot_3"], 0.0)}, "Gaussian 3 has a rotation of length zero"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, change, words):
    """The property, or the Gaussian."""
    path = save_gaussians(tmp_path / "a.ply", scene(9, 1))
    several = change.get("change")
    if several and isinstance(several[1], list):
        for name in several[1]:
            path.write_bytes(text_of(path, "<", change=(several[0], name, several[2])))
    else:
        path.write_bytes(text_of(path, "<", **change))
    with pytest.raises(UserError, match=words):
        load_gaussians(path)


def test_other_files_are_refused(tmp_path):
    """Not there, of another kind, empty, of no Gaussians, cut off."""
    with pytest.raises(UserError, match="no such file"):
        load_gaussians(tmp_path / "none.ply")
    with pytest.raises(UserError, match="a folder, not a file of Gaussians"):
        load_gaussians(tmp_path)
    with pytest.raises(UserError, match="from .ply and .splat"):
        load_gaussians(save(tmp_path / "a.obj", b"v 0 0 0"))
    with pytest.raises(UserError, match="to .ply and .splat"):
        save_gaussians(tmp_path / "a.obj", scene(3))
    with pytest.raises(UserError, match="Invalid file header"):
        load_gaussians(save(tmp_path / "b.ply", b""))
    whole = save_gaussians(tmp_path / "a.ply", scene(9, 1)).read_bytes()
    with pytest.raises(UserError, match="Not enough data for vertex"):
        load_gaussians(save(tmp_path / "c.ply", whole[:-5]))
    with pytest.raises(UserError, match="holds no Gaussian"):
        load_gaussians(
            save(tmp_path / "d.ply", whole.split(b"end_header")[0].replace(b"vertex 9", b"vertex 0") + b"end_header\n")
        )
    with pytest.raises(UserError, match="holds no element vertex"):
        load_gaussians(
            save(tmp_path / "e.ply", b"ply\nformat ascii 1.0\nelement face 1\nproperty int x\nend_header\n1\n")
        )
    with pytest.raises(UserError, match="33 bytes are not rows of 32"):
        load_gaussians(save(tmp_path / "f.splat", bytes(33)))
    with pytest.raises(UserError, match="holds no Gaussian"):
        load_gaussians(save(tmp_path / "g.splat", b""))


def save(path, data):
    path.write_bytes(data)
    return path


def test_splat_keeps_what_eight_bits_can(tmp_path):
    """Places and scales exactly, colours and opacities to 1 / 255, rotations to 1 / 128; the largest come first."""
    gaussians = scene(50, 2)
    back = load_gaussians(save_gaussians(tmp_path / "a.splat", gaussians))
    size = gaussians.scales.prod(1) * gaussians.opacities
    order = size.argsort(descending=True)
    assert torch.equal(back.means, gaussians.means[order])
    torch.testing.assert_close(back.log_scales, gaussians.log_scales[order], atol=1e-5, rtol=0)
    torch.testing.assert_close(back.opacities, gaussians.opacities[order], atol=0.6 / 255, rtol=0)
    colours = (0.5 + C0 * gaussians.sh_dc[order]).clamp(0, 1)
    torch.testing.assert_close(0.5 + C0 * back.sh_dc, colours, atol=0.6 / 255, rtol=0)
    quats = torch.nn.functional.normalize(gaussians.quats[order], dim=1)
    torch.testing.assert_close(back.quats, quats, atol=1.1 / 128, rtol=0)
    assert back.degree == 0


def test_isotropic_gaussians_are_written_with_three_scales(tmp_path):
    """As every other program reads them."""
    gaussians = scene(5, 0, isotropic=True)
    back = load_gaussians(save_gaussians(tmp_path / "a.ply", gaussians))
    assert torch.equal(back.log_scales, gaussians.log_scales.expand(-1, 3))


@pytest.mark.parametrize("ending", ["ply", "splat"])
def test_ten_thousand_damaged_files(tmp_path, ending):
    """Each is read to finite Gaussians, or refused with one clear line; nothing else happens."""
    path = tmp_path / f"a.{ending}"
    save_gaussians(path, scene(4, 1))
    texts = [path.read_bytes()] + ([text_of(path, None), text_of(path, ">")] if ending == "ply" else [])
    generator = np.random.default_rng(0)
    refused = 0
    for number in range(10_000):
        data = bytearray(texts[number % len(texts)])
        head = data.find(b"end_header") if ending == "ply" and number % 2 else len(data)  # half in a PLY's header
        for _ in range(generator.integers(1, 4)):
            at = int(generator.integers(0, max(head, 1)))
            what = generator.integers(0, 4)
            if what == 0 and at < len(data):
                data[at] = generator.integers(0, 256)
            elif what == 1:
                del data[at : at + int(generator.integers(1, 9))]
            elif what == 2:
                data[at:at] = generator.bytes(int(generator.integers(1, 5)))
            else:
                data[at:at] = data[at : at + int(generator.integers(1, 40))]
        path.write_bytes(data)
        try:
            gaussians = load_gaussians(path)
        except UserError as error:
            refused += 1
            assert str(error).startswith(str(path))
        else:
            assert all(x.isfinite().all() for x in gaussians.tensors().values())
            assert len(gaussians)
            if number % 20 == 0:
                assert render(gaussians, camera((16, 16))).image.isfinite().all()
    assert 1000 < refused < 10_000
