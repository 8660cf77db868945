"""Every command of the assignment, small, through its command line; and what bad input gets."""

import json

import numpy as np
import pytest
from PIL import Image

from a1_rendering import (
    __main__ as everything,
)
from a1_rendering import (
    camera_transforms,
    dolly_zoom,
    fun,
    mesh_practice,
    pcl_render,
    render_360,
    render_generic,
    render_mesh,
    retexturing_mesh,
    sample_mesh,
    torus_render,
    tradeoffs,
)

SMALL = ["--image_size", "48"]
TURN = [*SMALL, "--num_frames", "3"]


def run(module, tmp_path, *flags):
    assert module.main([*map(str, flags), "--output_dir", str(tmp_path), "--device", "cpu"]) == 0
    name = module.__name__.split(".")[-1]
    folder = tmp_path / name
    run_file = json.loads((folder / "run.json").read_text())
    assert run_file["seed"] == 0
    return folder, json.loads((folder / "metrics.json").read_text())


def frames_of(path):
    with Image.open(path) as image:
        out = []
        for n in range(image.n_frames):
            image.seek(n)
            out.append(np.asarray(image.convert("RGB")).astype(int))
    return np.stack(out)


def test_render_mesh_shows_the_cow_in_the_middle(tmp_path):
    folder, metrics = run(render_mesh, tmp_path, *SMALL)
    image = np.asarray(Image.open(folder / "mesh.png")).astype(int)
    assert image.shape == (48, 48, 3) and (image[0] == 255).all() and (image[24, 24] < 250).any()
    assert metrics["faces"] > 3000


def test_render_360_turns_and_takes_other_meshes(tmp_path):
    file = tmp_path / "tetra.obj"
    file.write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\nf 1 3 2\nf 1 2 4\nf 1 4 3\nf 2 3 4\n")
    out = tmp_path / "named" / "turn.gif"
    _, metrics = run(render_360, tmp_path, *TURN, "--mesh", file, "--output_file", out)
    frames = frames_of(out)
    assert metrics["frames"] == 3 == len(frames) and (frames[0] != frames[1]).any()
    assert (frames != 255).any(-1).mean() > 0.05


def test_the_dolly_zoom_keeps_the_subject_s_size(tmp_path):
    _, metrics = run(dolly_zoom, tmp_path, "--image_size", 200, "--num_frames", 5)
    assert metrics["size_variation"] < 0.01
    assert metrics["nearest"] < 2 < 10 < metrics["farthest"]


@pytest.mark.parametrize(
    ("shape", "vertices", "faces"), [("tetrahedron", 4, 4), ("cube", 8, 12), ("dodecahedron", 20, 36)]
)
def test_mesh_practice_counts(tmp_path, capsys, shape, vertices, faces):
    _, metrics = run(mesh_practice, tmp_path, *TURN, "--shape", shape)
    assert (metrics["vertices"], metrics["faces"]) == (vertices, faces)
    assert f"vertices = {vertices}, faces = {faces}" in capsys.readouterr().out


def test_retexturing_uses_the_colours(tmp_path):
    folder, _ = run(retexturing_mesh, tmp_path, *TURN, "--color1", 1, 0, 0, "--color2", 0, 0, 1)
    front = frames_of(folder / "retexture_mesh.gif")[0]
    seen = front[(front != 255).any(-1)]
    assert seen[:, 0].mean() > 2 * seen[:, 1].mean()


def test_camera_transforms_match_their_targets(tmp_path):
    _, metrics = run(camera_transforms, tmp_path, *SMALL)
    assert all(metrics[f"psnr_{n}"] > 50 for n in (1, 2, 3, 4))


def test_point_clouds_of_the_plant(tmp_path):
    folder, metrics = run(pcl_render, tmp_path, *TURN)
    assert metrics["points_union"] == metrics["points_1"] + metrics["points_2"] > 5000
    assert {p.name for p in folder.glob("*.gif")} == {
        "first_view.gif",
        "second_view.gif",
        "union.gif",
        "point_clouds.gif",
    }


@pytest.mark.parametrize("function", ["parametric", "implicit"])
def test_surfaces(tmp_path, function):
    more = ["--num_samples", "30", "--voxel_size", "20"]
    folder, _ = run(torus_render, tmp_path, *TURN, *more, "--function", function, "--surface", "all")
    made = {p.name.removesuffix(f"_{function}.gif") for p in folder.glob("*.gif")}
    assert {"torus", "superquadric"} < made and len(made) >= 7


@pytest.mark.parametrize("render", ["point_cloud", "parametric", "implicit"])
def test_render_generic(tmp_path, render):
    folder, _ = run(render_generic, tmp_path, *SMALL, "--render", render, "--num_samples", 40, "--voxel_size", 16)
    image = np.asarray(Image.open(folder / f"{render}.png"))
    assert (image != 255).any(-1).mean() > 0.1


def test_sampled_points(tmp_path):
    folder, _ = run(sample_mesh, tmp_path, *TURN, "--counts", 10, 300)
    assert frames_of(folder / "samples.gif").shape[2] == 3 * 48


def test_tradeoffs_measure_what_theory_says(tmp_path, monkeypatch):
    monkeypatch.setattr(tradeoffs, "RESOLUTIONS", (12, 16, 24, 32, 48))
    monkeypatch.setattr(tradeoffs, "COUNTS", (1000, 3000, 10_000, 30_000))
    folder, metrics = run(tradeoffs, tmp_path, *SMALL)
    text = (folder / "tradeoffs.txt").read_text()
    slopes = [float(part.split()[0].rstrip(",")) for part in text.split("count^")[1:]]
    assert slopes[0] == pytest.approx(-1.0, abs=0.15) and slopes[1] == pytest.approx(-0.5, abs=0.1)
    assert (folder / "tradeoffs.png").stat().st_size > 10_000


@pytest.mark.parametrize("function", ["full", "dolly"])
def test_the_film(tmp_path, function):
    flags = ["--image_size", "40", "--num_frames", "2", "--samples", "2", "--function", function]
    folder, _ = run(fun, tmp_path, *flags)
    frames = frames_of(folder / f"room_{function}.gif")
    assert len(frames) == 2 and (frames[0] != frames[1]).any() and frames.std() > 20


def test_the_list_of_deliverables_runs_each_command(tmp_path, monkeypatch):
    ran = []
    names = {name: module for name, module, _ in everything.DELIVERABLES}
    for module in set(names.values()):
        monkeypatch.setattr(module, "main", lambda argv, m=module: ran.append((m.__name__, argv)) or 0)
    assert everything.main(["--output_dir", str(tmp_path), "--seed", "3"]) == 0
    assert len(ran) == len(everything.DELIVERABLES)
    assert all("--seed" in argv and "3" in argv and str(tmp_path) in argv for _, argv in ran)


@pytest.mark.parametrize(
    ("module", "flags", "said"),
    [
        (render_mesh, ["--mesh", "none.obj"], "no such file"),
        (render_mesh, ["--mesh", "picture.jpg"], "a mesh is read from"),
        (render_mesh, ["--image_size", "0"], "not at least 1"),
        (render_mesh, ["--image_size", "100000"], "the largest image drawn"),
        (render_mesh, ["--output_file", "mesh.gif"], "must end in .png"),
        (render_360, ["--fps", "60"], "more than 50"),
        (dolly_zoom, ["--fov", "0", "90"], "from 1 to 150"),
        (retexturing_mesh, ["--color1", "2", "0", "0"], "from 0 to 1"),
        (mesh_practice, ["--shape", "ball"], "invalid choice"),
        (torus_render, ["--function", "implicit", "--surface", "klein"], "has no implicit form"),
        (torus_render, ["--voxel_size", "1", "--function", "implicit"], "at least 2"),
        (render_generic, ["--cloud", "none.npz"], "npz file"),
        (pcl_render, ["--rgbd", "none.pkl"], "no such file"),
        (sample_mesh, ["--counts", "0"], "from 1"),
        (fun, ["--device", "cuda:99"], "device"),
    ],
)
def test_bad_input_is_one_line_and_code_2(tmp_path, monkeypatch, capsys, module, flags, said):
    monkeypatch.chdir(tmp_path)
    try:
        code = module.main([*flags, "--output_dir", str(tmp_path / "out")])
    except SystemExit as stopped:
        code = stopped.code
    err = capsys.readouterr().err
    assert code == 2 and said in err and len(err.strip().splitlines()) == 1 and "Traceback" not in err


def test_an_empty_mesh_file_is_an_error(tmp_path, capsys):
    (tmp_path / "empty.obj").write_text("v 0 0 0\n")
    assert render_mesh.main(["--mesh", str(tmp_path / "empty.obj"), "--output_dir", str(tmp_path)]) == 2
    assert "holds no face" in capsys.readouterr().err
