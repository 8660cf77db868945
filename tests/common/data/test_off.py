"""OFF files as they come, OFF files that are broken, and points on their surfaces."""

import random
import time
import tracemalloc
import types

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.cli import UserError
from common.data.off import read_off, sample_surface

SQUARE = "0 0 0\n2 0 0\n2 2 0\n0 2 0\n"
TWO_TRIANGLES = "3 0 1 2\n3 0 2 3\n"
VERTS = [[0, 0, 0], [2, 0, 0], [2, 2, 0], [0, 2, 0]]
FACES = [[0, 1, 2], [0, 2, 3]]


def write(tmp_path, content):
    path = tmp_path / "mesh.off"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    "content",
    [
        "OFF\n4 2 5\n" + SQUARE + TWO_TRIANGLES,
        "OFF4 2 5\n" + SQUARE + TWO_TRIANGLES,
        "\t   OFF 4 2\n" + SQUARE + TWO_TRIANGLES,
        "off\n4 2 0\n" + SQUARE + TWO_TRIANGLES.rstrip(),
        ("OFF\n4 2 5\n" + SQUARE + TWO_TRIANGLES).replace("\n", "\r\n"),
        ("OFF\n4 2 5\n" + SQUARE + TWO_TRIANGLES).replace("\n", "\r"),
        ("OFF\n4 2 5\n" + SQUARE + TWO_TRIANGLES).replace("\n", " # caf\xe9\n\n \t\n# whole line\n"),
        ("OFF\n4 2 5\n" + SQUARE + TWO_TRIANGLES).replace(" ", " \t ").replace("\n", "  \n"),
        b"\xef\xbb\xbfOFF\n4 2 5\n" + (SQUARE + TWO_TRIANGLES).encode(),
        "OFF\n4 1 4\n" + SQUARE + "4 0 1 2 3\n",
        "OFF\n4 1 4\n" + SQUARE + "4 0 1 2 3  1.000 0.300 0.000 0.75\n",
        "OFF\n4 2 5\n" + SQUARE + "3 0 1 2 0.5 0.5 0.5\n3 0 2 3\n",
        "COFF\n4 2 5\n" + SQUARE.replace("\n", " 255 0 0 255\n") + TWO_TRIANGLES,
        "NOFF\n4 2 5\n" + SQUARE.replace("\n", " 0 0 1\n") + TWO_TRIANGLES,
        "STCNOFF\n4 2 5\n" + SQUARE.replace("\n", " 0 0 1 .5 .5 .5 1 0 0\n") + TWO_TRIANGLES,
        "OFF\n4 2 5\n" + SQUARE.replace("2", "2.0e0") + TWO_TRIANGLES,
    ],
)
def test_reads_what_is_meant(tmp_path, content):
    verts, faces = read_off(write(tmp_path, content))
    assert verts.dtype == np.float64 and faces.dtype == np.int64
    np.testing.assert_array_equal(verts, VERTS)
    np.testing.assert_array_equal(faces, FACES)


def test_fans_polygons_of_different_size(tmp_path):
    pentagon = "OFF\n5 2 0\n0 0 0\n1 0 0\n2 1 0\n1 2 0\n0 1 0\n5 0 1 2 3 4\n3 4 0 1\n"
    _, faces = read_off(write(tmp_path, pentagon))
    assert faces.tolist() == [[0, 1, 2], [0, 2, 3], [0, 3, 4], [4, 0, 1]]


def test_faces_may_be_absent(tmp_path):
    verts, faces = read_off(write(tmp_path, "OFF\n4 0 0\n" + SQUARE))
    assert verts.shape == (4, 3) and faces.shape == (0, 3)


@pytest.mark.parametrize(
    ("content", "line", "said"),
    [
        ("", None, "no data"),
        ("# only a comment\n", None, "no data"),
        ("PLY\n4 2 5\n" + SQUARE + TWO_TRIANGLES, 1, "starts with the word OFF"),
        ("4 2 5\n" + SQUARE + TWO_TRIANGLES, 1, "starts with the word OFF"),
        ("4OFF\n4 2 5\n" + SQUARE + TWO_TRIANGLES, 1, "starts with the word OFF"),
        (bytes(range(256)) * 20, 1, "starts with the word OFF"),
        (b"OFF BINARY\n\0\0\0\4", 1, "binary"),
        (b"OFF\n\x93\0\xff\0\0\1", 2, "counts"),
        ("OFF\n", 1, "before its counts"),
        ("OFF\n4\n2 5\n" + SQUARE + TWO_TRIANGLES, 2, "counts"),
        ("OFF\n4 two 5\n" + SQUARE + TWO_TRIANGLES, 2, "counts"),
        ("OFF\n4 2 5 7\n" + SQUARE + TWO_TRIANGLES, 2, "counts"),
        ("OFF\n4_0 2 5\n" + SQUARE + TWO_TRIANGLES, 2, "counts"),
        ("OFF\n" + "9" * 5000 + " 2 5\n" + SQUARE + TWO_TRIANGLES, 2, "counts"),
        ("OFF\n-4 2 5\n" + SQUARE + TWO_TRIANGLES, 2, "negative"),
        ("OFF\n4 -2 5\n" + SQUARE + TWO_TRIANGLES, 2, "negative"),
        ("OFF\n0 0 0\n", 2, "no vertices"),
        ("OFF\n999999999999 999999999999 0\n" + SQUARE + TWO_TRIANGLES, 8, "ends after 6 lines"),
        ("OFF\n4 2 5\n" + SQUARE + "3 0 1 2\n", 7, "truncated"),
        ("OFF\n4 2 5\n", 2, "ends after 0 lines"),
        ("OFF\n4 2 5\n\n" + SQUARE + TWO_TRIANGLES + "# more\n3 1 2 3\n", 11, "data after"),
        ("OFF\n5 1 5\n" + SQUARE + TWO_TRIANGLES, 7, "the vertices above have 3"),
        ("OFF\n3 3 5\n" + SQUARE + TWO_TRIANGLES, 6, "corners"),
        ("OFF\n4 2 5\n0 0 0\n2 0\n2 2 0\n0 2 0\n" + TWO_TRIANGLES, 4, "three numbers"),
        ("OFF\n4 2 5\n" + "1 2\n" * 4 + TWO_TRIANGLES, 3, "three numbers"),
        ("OFF\n4 2 5\n0 0 0\n2 0 zero\n2 2 0\n0 2 0\n" + TWO_TRIANGLES, 4, "not a row of numbers"),
        ("OFF\n4 2 5\n0 0 0\n2,0,0\n2 2 0\n0 2 0\n" + TWO_TRIANGLES, 4, "not a row of numbers"),
        ("OFF\n4 2 5\n0 0 0\n2_0 0 0\n2 2 0\n0 2 0\n" + TWO_TRIANGLES, 4, "not a row of numbers"),
        ("OFF\n4 2 5\n0 0 0\n2 nan 0\n2 2 0\n0 2 0\n" + TWO_TRIANGLES, 4, "not finite"),
        ("OFF\n4 2 5\n# here\n0 0 0\n2 -inf 0\n2 2 0\n0 2 0\n" + TWO_TRIANGLES, 5, "not finite"),
        ("OFF\n4 2 5\n0 0 0\n2 1e999 0\n2 2 0\n0 2 0\n" + TWO_TRIANGLES, 4, "not finite"),
        ("OFF\n4 2 5\n" + SQUARE + "3 0 1 2\n3 0 2 4\n", 8, "index 4 is none of the vertices 0..3"),
        ("OFF\n4 2 5\n" + SQUARE + "3 0 -1 2\n3 0 2 3\n", 7, "index -1"),
        ("OFF\n4 2 5\n" + SQUARE + "3 0 1.5 2\n3 0 2 3\n", 7, "index 1.5"),
        ("OFF\n4 2 5\n" + SQUARE + "3 0 nan 2\n3 0 2 3\n", 7, "index nan"),
        ("OFF\n4 2 5\n" + SQUARE + "4 0 1 2 3\n3 0 2 9\n", 8, "index 9"),
        ("OFF\n4 2 5\n" + SQUARE + "3 0 1 2\n2 0 2\n", 8, "at least 3"),
        ("OFF\n4 2 5\n" + SQUARE + "2 0 1\n2 0 2\n", 7, "at least 3"),
        ("OFF\n4 2 5\n" + SQUARE + "3 0 1 2\n4 0 2 3\n", 8, "at least 3"),
        ("OFF\n4 2 5\n" + SQUARE + "3 0 1 2\n1e18 0 2 3\n", 8, "at least 3"),
        ("OFF\n4 2 5\n" + SQUARE + "3 0 1 2\nnan 0 2 3\n", 8, "at least 3"),
    ],
)
def test_broken_files_are_named_with_their_line(tmp_path, content, line, said):
    path = write(tmp_path, content)
    with pytest.raises(UserError) as raised:
        read_off(path)
    message = str(raised.value)
    assert said in message and "\n" not in message and len(message) < 400 + len(str(path))
    assert message.startswith(f"{path}, line {line}: " if line else f"{path}: ")


def test_missing_file_and_folder(tmp_path):
    for path in (tmp_path / "absent.off", tmp_path):
        with pytest.raises(UserError, match="cannot be read"):
            read_off(path)


def valid_sources():
    return [
        b"OFF\n4 2 5\n" + (SQUARE + TWO_TRIANGLES).encode(),
        b"OFF4 1 4 # run together\n" + SQUARE.encode() + b"4 0 1 2 3 0.5 0.5 0.5\n",
        b"COFF\n5 2 0\n" + (SQUARE.replace("\n", " 9 9 9\n") + "1 1 1e-3 9 9 9\n5 0 1 2 3 4\n3 0 4 1 7\n").encode(),
    ]


def mutate(source: bytes, rng: random.Random) -> bytes:
    """One to four small injuries: bytes changed, pieces cut, doubled or moved, telling tokens thrown in."""
    tokens = b"nan|-1|1e308|99999999999999|\n|\0|\xff|#|OFF| |3|1_0|\r|-".split(b"|")
    data = bytearray(source)
    for _ in range(rng.randint(1, 4)):
        at, end = sorted((rng.randint(0, len(data)), rng.randint(0, len(data))))
        kind = rng.randrange(5)
        if kind == 0 and at < len(data):
            data[at] = rng.randrange(256)
        elif kind == 1:
            del data[at : min(end, at + 12)]
        elif kind == 2:
            data[at:at] = data[at : min(end, at + 40)]
        elif kind == 3:
            data[at:at] = rng.choice(tokens)
        else:
            del data[end:]
    return bytes(data)


def check_mesh_or_user_error(path) -> bool:
    try:
        verts, faces = read_off(path)
    except UserError as error:
        assert str(path) in str(error)
        return False
    assert verts.ndim == 2 and verts.shape[1] == 3 and verts.dtype == np.float64 and np.isfinite(verts).all()
    assert faces.ndim == 2 and faces.shape[1] == 3 and faces.dtype == np.int64
    assert len(faces) == 0 or (0 <= faces.min() and faces.max() < len(verts))
    try:
        assert np.isfinite(sample_surface(verts, faces, 8, np.random.default_rng(0))).all()
    except UserError:
        pass
    return True


def test_mutated_files_give_a_mesh_or_a_user_error_in_little_memory(tmp_path):
    rng, path, accepted = random.Random(0), tmp_path / "mutant.off", 0
    tracemalloc.start()
    try:
        for _ in range(4000):
            path.write_bytes(mutate(rng.choice(valid_sources()), rng))
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            accepted += check_mesh_or_user_error(path)
            assert tracemalloc.get_traced_memory()[1] - before < 2_000_000, path.read_bytes()
    finally:
        tracemalloc.stop()
    assert 100 < accepted < 3000, "the mutations should neither all pass nor all fail"


@settings(max_examples=500, deadline=None)
@given(body=st.one_of(st.binary(max_size=300), st.text(alphabet="0123 .-e+\n\t#OF\rna_", max_size=200).map(str.encode)))
def test_any_bytes_behind_a_header_give_a_mesh_or_a_user_error(tmp_path_factory, body):
    path = tmp_path_factory.getbasetemp() / "any.off"
    path.write_bytes(b"OFF" + body)
    check_mesh_or_user_error(path)


def test_one_long_line_costs_memory_of_the_files_own_scale(tmp_path):
    path = write(tmp_path, "OFF\n2000 1 0\n" + "1 " * 200_000 + "\n" + "0 0 0\n" * 2000)
    tracemalloc.start()
    try:
        with pytest.raises(UserError):
            read_off(path)
        assert tracemalloc.get_traced_memory()[1] < 100 * path.stat().st_size
    finally:
        tracemalloc.stop()


def test_a_hundred_thousand_faces_are_read_quickly(tmp_path):
    rng = np.random.default_rng(0)
    verts, faces = rng.normal(size=(50_000, 3)), rng.integers(0, 50_000, (100_000, 3))
    rows = [f"{x:.17g} {y:.17g} {z:.17g}" for x, y, z in verts] + [f"3 {a} {b} {c}" for a, b, c in faces]
    path = write(tmp_path, "OFF\n50000 100000 0\n" + "\n".join(rows))
    started = time.perf_counter()
    read = read_off(path)
    assert time.perf_counter() - started < 3  # about 0.15 s on an idle core; a slow loop takes far longer when shared
    np.testing.assert_array_equal(read[0], verts)
    np.testing.assert_array_equal(read[1], faces)


def test_samples_are_uniform_by_area():
    """An L of three unit squares, cut more or less finely: each gets a third of the points, evenly."""
    verts, faces = [], []
    for x, y, cuts in ((0, 0, 1), (1, 0, 6), (0, 1, 3)):
        for i in range(cuts):
            for j in range(cuts):
                corners = [(x + (i + a) / cuts, y + (j + b) / cuts, 0.0) for a, b in ((0, 0), (1, 0), (1, 1), (0, 1))]
                faces += [[len(verts), len(verts) + 1, len(verts) + 2], [len(verts), len(verts) + 2, len(verts) + 3]]
                verts += corners
    points = sample_surface(np.array(verts), np.array(faces), 48_000, np.random.default_rng(0))
    assert points.shape == (48_000, 3) and np.all(points[:, 2] == 0)
    counts, _, _ = np.histogram2d(points[:, 0], points[:, 1], bins=8, range=((0, 2), (0, 2)))
    inside = np.kron([[1, 1], [1, 0]], np.ones((4, 4), bool)).astype(bool)  # 48 cells of 1,000 points, sd 31
    assert counts[~inside].sum() == 0
    assert abs(counts[inside] - 1000).max() < 6 * 31.6


def test_samples_follow_the_generator_and_the_scale():
    verts, faces = np.array(VERTS, dtype=float), np.array(FACES)
    points = sample_surface(verts, faces, 100, np.random.default_rng(3))
    np.testing.assert_array_equal(points, sample_surface(verts, faces, 100, np.random.default_rng(3)))
    for scale in (1e-200, 1e200):
        scaled = sample_surface(verts * scale, faces, 100, np.random.default_rng(3))
        np.testing.assert_allclose(scaled / scale, points, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("verts", "faces"),
    [
        (VERTS, np.zeros((0, 3), dtype=int)),
        (VERTS, [[0, 0, 1], [2, 2, 2]]),
        (np.zeros((3, 3)), [[0, 1, 2]]),
        ([[0, 0, 0], [1, 1, 1], [2, 2, 2]], [[0, 1, 2]]),
    ],
)
def test_a_surface_without_area_is_refused(verts, faces):
    with pytest.raises(UserError, match="no area"):
        sample_surface(np.array(verts, dtype=float), np.array(faces), 10, np.random.default_rng(0))


def test_triangles_without_area_get_no_points():
    verts = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [50, 50, 50]], dtype=float)
    faces = np.array([[3, 3, 3], [0, 1, 2], [3, 3, 0], [3, 3, 3]])
    points = sample_surface(verts, faces, 1000, np.random.default_rng(0))
    assert points.max() <= 1
    lowest = types.SimpleNamespace(random=np.zeros)  # the edge case u = 0 must not fall on the first, empty triangle
    assert sample_surface(verts, faces, 10, lowest).max() <= 1
