"""Shapes of files: voxels and meshes come upright into the frame of the models; what is no shape is refused."""

import numpy as np
import pytest

from a2_single_view.data.cells import cells_of
from a2_single_view.data.embedded import embedded_shape
from a2_single_view.data.shapes_file import load_file, read_shape
from common.cli import UserError
from tests.a2_single_view.tree import write_obj


def packed(tmp_path):
    """One chair as solid cells with z up that faces -y."""
    own = embedded_shape("chair", 0, 3).occupancy(32, 0.5)
    there = own[:, :, ::-1].transpose(0, 2, 1)  # (x, y, z) goes to (x, -z, y)
    path = tmp_path / "voxels.npz"
    np.savez(path, packed=np.packbits(there.reshape(1, -1), axis=1))
    return path, own


def test_voxels_stand_upright_and_face_the_front(tmp_path):
    path, own = packed(tmp_path)
    shapes = load_file(str(path), str(tmp_path))
    assert len(shapes) == 1 and shapes.num_views == 24
    made = shapes.voxels(np.array([0]))[0].numpy()
    best = max(
        (made & one).sum() / (made | one).sum()
        for shift in np.ndindex(3, 3, 3)
        for one in (np.roll(own, np.array(shift) - 1, (0, 1, 2)),)
    )
    turned = own[::-1, :, ::-1]
    assert best > 0.75 and best > (made & turned).sum() / (made | turned).sum() + 0.2


def test_meshes_of_an_npz_and_of_a_folder_are_the_same(tmp_path):
    parts = [embedded_shape("chair", 0, number).mesh[:2] for number in (1, 2)]
    folder = tmp_path / "meshes"
    folder.mkdir()
    for number, (verts, faces) in enumerate(parts):
        write_obj(folder / f"{number}.obj", 3 * verts + 1, faces)
    ends = [np.cumsum([0, *(len(part[axis]) for part in parts)]) for axis in (0, 1)]
    np.savez(
        tmp_path / "all.npz",
        verts=np.concatenate([verts for verts, _ in parts]).astype(np.float32),
        faces=np.concatenate([faces for _, faces in parts]).astype(np.int32),
        vert_offsets=ends[0],
        face_offsets=ends[1],
    )
    for index in (0, 1):
        one, two = (read_shape(path, index)[0].verts_packed() for path in (folder, tmp_path / "all.npz"))
        np.testing.assert_allclose(one, two, atol=1e-5)
        size = two.amax(0) - two.amin(0)
        assert float(size.norm()) == pytest.approx(1.0, abs=1e-5) and (two.amax(0) + two.amin(0)).abs().max() < 1e-5
    shapes = load_file(str(folder), str(tmp_path))
    true = embedded_shape("chair", 0, 2).occupancy(32, 0.5)
    made = shapes.voxels(np.array([1]))[0].numpy()
    assert (true & made).sum() / true.sum() > 0.95  # cells that the surface cuts are counted as well
    cut = cells_of(embedded_shape("chair", 0, 2).sample_surface(100_000, np.random.default_rng(0))[0])
    assert (made & ~(true | cut)).sum() < 0.05 * made.sum()


def test_shapes_that_are_none_are_named_or_left_out(tmp_path, capsys):
    verts, faces = embedded_shape("chair", 0, 1).mesh[:2]
    bad = {"none": (verts, faces[:0]), "far": (verts, faces + 9999), "nan": (verts * np.nan, faces)}
    bad["dot"] = (verts * 0, faces)
    for name, (wrong, its) in bad.items():
        path = tmp_path / f"{name}.npz"
        parts = [(wrong, its), (verts, faces)]
        ends = [np.cumsum([0, *(len(part[axis]) for part in parts)]) for axis in (0, 1)]
        corners, all_faces = (np.concatenate([part[axis] for part in parts]) for axis in (0, 1))
        np.savez(path, verts=np.float32(corners), faces=all_faces, vert_offsets=ends[0], face_offsets=ends[1])
        with pytest.raises(UserError, match="shape 0 (has|is of)"):
            load_file(str(path), str(tmp_path))
    shapes = load_file(str(path), str(tmp_path), skip_bad=True)
    assert [shapes.name(i) for i in range(len(shapes))] == ["dot_0001"]
    assert "1 of 2 shapes are left out" in capsys.readouterr().err


@pytest.mark.parametrize(
    "name, words",
    [
        ("none.npz", "no such folder of meshes or npz file"),
        ("bad.npz", "not an npz file"),
        ("other.npz", "holds neither voxels \\(packed: N, 4096\\) nor meshes"),
        ("empty", "holds no shape"),
        ("narrow.npz", r"packed voxels are \(2, 100\) uint8"),
        ("odd.npz", "not as many whole numbers"),
    ],
)
def test_what_is_no_shape_is_refused(tmp_path, name, words):
    (tmp_path / "bad.npz").write_bytes(b"PK nothing")
    np.savez(tmp_path / "other.npz", points=np.zeros(3))
    (tmp_path / "empty").mkdir()
    np.savez(tmp_path / "narrow.npz", packed=np.zeros((2, 100), np.uint8))
    ends = np.array([0, 3])
    square = np.eye(3, dtype=int)
    np.savez(tmp_path / "odd.npz", verts=1.0 * square, faces=square, vert_offsets=ends, face_offsets=ends[:1])
    with pytest.raises(UserError, match=words):
        load_file(str(tmp_path / name), str(tmp_path))
