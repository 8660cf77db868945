"""Pictures and animations: what is in the files, what fails without leaving one, and what the renders show."""

import numpy as np
import pytest
import torch
from PIL import Image

from common import visualize
from common.gif import frame_durations, quantize
from common.visualize import (
    LABEL_COLORS,
    add_caption,
    height_colors,
    image_grid,
    label_colors,
    render_points,
    save_gif,
    save_png,
    side_by_side,
    turntable,
)


def sphere(count: int = 500) -> torch.Tensor:
    direction = torch.randn(count, 3, generator=torch.Generator().manual_seed(0))
    return torch.nn.functional.normalize(direction, dim=1)


def few_colours(count: int = 5) -> np.ndarray:
    """A square that moves over white, one pixel a frame."""
    frames = np.full((count, 20, 30, 3), 255, np.uint8)
    for t in range(count):
        frames[t, 5:10, 3 + t : 8 + t] = (200, 10, 40)
    return frames


def decoded(path) -> tuple[np.ndarray, list[int], dict]:
    """Frames (T, H, W, 3), their times in ms, and the file's description, by Pillow."""
    with Image.open(path) as image:
        info = dict(image.info)
        frames, durations = [], []
        for t in range(image.n_frames):
            image.seek(t)
            frames.append(np.asarray(image.convert("RGB")))
            durations.append(image.info["duration"])
    return np.stack(frames), durations, info


# --- GIF


def test_few_colours_are_kept_exactly(tmp_path):
    frames = few_colours()
    save_gif(tmp_path / "a.gif", frames, fps=10)
    result, durations, info = decoded(tmp_path / "a.gif")
    assert np.array_equal(result, frames)
    assert durations == [100] * 5
    assert info["loop"] == 0 and info["version"] == b"GIF89a"


def test_many_colours_come_near_and_the_background_stays_white(tmp_path):
    frames = turntable(sphere(2000), height_colors(sphere(2000)), num_frames=6, image_size=96)
    save_gif(tmp_path / "a.gif", frames)
    result, _, _ = decoded(tmp_path / "a.gif")
    assert result.shape == frames.shape
    difference = np.abs(result.astype(int) - frames.astype(int)).max(-1)
    assert difference.mean() < 5 and np.percentile(difference, 99) < 20
    white = (frames == 255).all(-1)
    assert white.mean() > 0.1 and (result[white] == 255).all()


def test_all_frames_share_one_palette(tmp_path):
    generator = np.random.default_rng(0)
    save_gif(tmp_path / "a.gif", generator.integers(0, 256, (3, 16, 16, 3), dtype=np.uint8))
    data = (tmp_path / "a.gif").read_bytes()
    assert data[10] & 0x80 and data[10] & 7 == 7  # a global table of 256 colours
    with Image.open(tmp_path / "a.gif") as image:
        for t in range(image.n_frames):
            image.seek(t)
            assert image.tile == [] or not image.info.get("local_palette")
    palette, indices = quantize(generator.integers(0, 256, (40, 40, 3), dtype=np.uint8))
    assert len(palette) <= 255 and indices.max() < len(palette)


def test_frames_that_do_not_change_are_kept_and_cheap(tmp_path):
    frames = np.repeat(few_colours(1), 50, 0)
    save_gif(tmp_path / "a.gif", frames)
    assert len(decoded(tmp_path / "a.gif")[0]) == 50
    save_gif(tmp_path / "one.gif", frames[:1])
    grown = (tmp_path / "a.gif").stat().st_size - (tmp_path / "one.gif").stat().st_size
    assert grown < 50 * 40


def test_only_what_changed_is_stored(tmp_path):
    noise = np.random.default_rng(0).integers(0, 250, (1, 64, 64, 1), dtype=np.uint8)
    frames = np.repeat(np.repeat(noise, 3, -1), 10, 0)
    frames[:, 10:14, 20] += np.arange(10, dtype=np.uint8)[:, None, None] % 5
    save_gif(tmp_path / "one.gif", frames[:1])
    save_gif(tmp_path / "a.gif", frames)
    assert np.array_equal(decoded(tmp_path / "a.gif")[0], frames)
    assert (tmp_path / "a.gif").stat().st_size < 1.3 * (tmp_path / "one.gif").stat().st_size


@pytest.mark.parametrize("fps", [1, 7, 15, 24, 30, 50])
def test_frame_times_add_up(tmp_path, fps):
    durations = frame_durations(60, fps)
    ends = np.cumsum(durations)
    assert np.abs(ends - 100.0 * np.arange(1, 61) / fps).max() <= 0.5 + 1e-9
    assert durations.min() >= 2
    save_gif(tmp_path / "a.gif", few_colours(), fps)
    assert decoded(tmp_path / "a.gif")[1] == [10 * d for d in frame_durations(5, fps)]


@pytest.mark.parametrize(
    ("frames", "fps"),
    [
        (few_colours(), 51),
        (few_colours(), 0),
        (few_colours(), float("nan")),
        (few_colours().astype(float), 10),
        (few_colours()[0], 10),
        (few_colours()[..., :1], 10),
        (few_colours()[:0], 10),
    ],
)
def test_bad_input_is_refused_and_leaves_nothing(tmp_path, frames, fps):
    with pytest.raises(ValueError):
        save_gif(tmp_path / "a.gif", frames, fps)
    assert list(tmp_path.iterdir()) == []


def test_a_failure_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    save_gif(tmp_path / "a.gif", few_colours(2))
    before = (tmp_path / "a.gif").read_bytes()

    def fail(*args):
        raise OSError("disk full")

    monkeypatch.setattr("common.gif._blocks", fail)
    with pytest.raises(OSError, match="disk full"):
        save_gif(tmp_path / "a.gif", few_colours(3))
    assert (tmp_path / "a.gif").read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.gif"]


# --- PNG, grids, captions


def test_png_holds_the_image(tmp_path):
    image = few_colours(1)[0]
    save_png(tmp_path / "a.png", image)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "a.png")), image)
    save_png(tmp_path / "b.png", torch.tensor([[[0.0, 0.5, 1.2]]]))
    assert np.asarray(Image.open(tmp_path / "b.png")).tolist() == [[[0, 128, 255]]]
    with pytest.raises(ValueError):
        save_png(tmp_path / "c.png", image[..., 0])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.png", "b.png"]


def test_grid_places_images_row_by_row():
    images = [np.full((4, 5, 3), i, np.uint8) for i in range(5)]
    grid = image_grid(images, columns=3, pad=1)
    assert grid.shape == (9, 17, 3)
    assert (grid[0, 0] == 0).all() and (grid[0, 6] == 1).all() and (grid[5, 0] == 3).all()
    assert (grid[4] == 255).all() and (grid[5:, 12:] == 255).all()
    assert image_grid([few_colours()] * 2, columns=4, pad=0).shape == (5, 20, 60, 3)
    for bad in ([], [images[0], images[0][:2]]):
        with pytest.raises(ValueError):
            image_grid(bad, 2)


def test_captions_add_a_strip_with_text():
    frames = few_colours()
    captioned = add_caption(frames, "chair")
    assert captioned.shape[2:] == (30, 3) and captioned.shape[1] > 20
    strip = captioned[:, :-20]
    assert np.array_equal(captioned[:, -20:], frames)
    assert (strip < 128).any() and (strip[0] == strip[1]).all()
    assert add_caption(frames[0], "a text too long for the width of this image").shape[1] == 30


# --- renders


def test_colours_by_label_and_by_height():
    assert LABEL_COLORS.shape == (16, 3) and len(LABEL_COLORS.unique(dim=0)) == 16
    assert torch.equal(label_colors(torch.tensor([3, 19])), LABEL_COLORS[[3, 3]])
    colors = height_colors(sphere())
    assert colors.shape == (500, 3) and colors.min() >= 0 and colors.max() <= 1
    low, high = sphere()[:, 1].argmin(), sphere()[:, 1].argmax()
    assert colors[high].sum() > colors[low].sum()
    assert height_colors(torch.zeros(2, 3)).isfinite().all()


def test_a_render_shows_the_cloud_in_its_colours():
    red = torch.tensor([[0.8, 0.0, 0.0]]).expand(500, 3)
    image = render_points(sphere(), red, image_size=64)
    assert image.shape == (64, 64, 3) and image.dtype == np.uint8
    covered = (image != 255).any(-1)
    assert 0.4 < covered.mean() < 0.8 and not covered[[0, 0, -1, -1], [0, -1, 0, -1]].any()
    assert (image[covered][:, 0] >= image[covered][:, 1]).all()
    assert covered[:, [1, -2]].any() or covered[[1, -2]].any()  # it fills the picture
    assert render_points(sphere(), image_size=(40, 64)).shape == (40, 64, 3)


def test_black_backgrounds_stay_black():
    image = render_points(sphere(), image_size=32, background=(0.0, 0.0, 0.0))
    assert (image[0, 0] == 0).all() and image.any()


def test_cameras_may_be_given():
    R = torch.eye(3)[None]
    image = render_points(sphere(), image_size=32, R=R, T=torch.tensor([[0.0, 0.0, 4.0]]))
    assert image.shape == (1, 32, 32, 3) and (image != 255).any()
    single = render_points(sphere(), image_size=32, R=R[0], T=torch.tensor([0.0, 0.0, 4.0]))
    assert np.array_equal(single, image[0])


def test_near_is_drawn_before_far_and_far_is_paler():
    points = torch.tensor([[0.0, 0.0, 1.0], [0.0, 0.0, -1.0], [0.6, 0.0, -1.0]])
    colors = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 1.0]])
    image = render_points(points, colors, 64, azim=0.0, elev=0.0, radius=0.1)
    reds, blues = (image[..., 0] > image[..., 2]), (image[..., 2] > image[..., 0])
    assert reds.any() and blues.any()
    assert image[reds].min() < 80 < image[blues][:, 0].min()


def test_turntable_turns_once():
    frames = turntable(sphere(300), num_frames=8, image_size=48)
    assert frames.shape == (8, 48, 48, 3) and frames.dtype == np.uint8
    assert (frames[0] != frames[4]).any()
    again = render_points(sphere(300), image_size=48, azim=torch.tensor([0.0, 45.0]), dist=None)
    assert again.shape == (2, 48, 48, 3)


def test_special_clouds():
    assert (render_points(torch.zeros(0, 3), image_size=16) == 255).all()
    assert (render_points(torch.zeros(1, 3), image_size=16) != 255).any()
    points = sphere(50)
    points[3] = float("nan")
    assert (render_points(points, image_size=16) != 255).any()
    for bad in ((torch.zeros(4, 2), None), (torch.zeros(4, 3), torch.zeros(3, 3))):
        with pytest.raises(ValueError):
            render_points(*bad)


def test_side_by_side_uses_one_scale_and_captions():
    big, small = sphere(300), 0.5 * sphere(300)
    frames = side_by_side([big, small], captions=["prediction", "ground truth"], num_frames=3, image_size=64)
    assert frames.shape[0] == 3 and frames.shape[2] == 128
    covered = (frames[:, -64:] != 255).any(-1)
    assert covered[..., :64].sum() > 2 * covered[..., 64:].sum()
    assert visualize.save_gif is save_gif
