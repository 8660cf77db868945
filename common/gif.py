"""Animated GIFs: one palette for all frames, frames stored as what changed, times exact, files written whole."""

import os

import numpy as np
from PIL import GifImagePlugin, Image

from common.outputs import atomic_path

# Browsers and viewers play frames shorter than this at 100 ms instead.
SHORTEST_FRAME = 2
TRANSPARENT = 255
NETSCAPE_LOOP_FOREVER = b"!\xff\x0bNETSCAPE2.0\x03\x01\x00\x00\x00"


def save_gif(path: str | os.PathLike, frames: np.ndarray, fps: float = 15) -> None:
    """Write frames as a GIF that loops for ever, to a temporary name that is renamed when it is complete.

    A GIF states each frame's time in hundredths of a second: the times are rounded so that the running sum stays
    right. All frames share a palette of at most 255 colours made for them (exact if they have no more), and a frame
    holds the rectangle that changed, unchanged pixels in it transparent where that makes the file smaller.

    Args:
        path: the file; its folder must exist.
        frames: (T, H, W, 3) uint8 RGB.
        fps: frames per second, above 0 and at most 50.

    Raises:
        ValueError: frames of another kind, or an fps that players do not honour.
    """
    frames = np.asarray(frames)
    if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[-1] != 3 or 0 in frames.shape:
        raise ValueError(f"frames must be (T, H, W, 3) uint8 and not empty, got {frames.shape} {frames.dtype}")
    durations = frame_durations(len(frames), fps)
    palette, indices = quantize(frames)
    height, width = frames.shape[1:3]
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        file.write(b"GIF89a" + width.to_bytes(2, "little") + height.to_bytes(2, "little") + b"\xf7\x00\x00")
        file.write(np.pad(palette, ((0, 256 - len(palette)), (0, 0))).tobytes())
        file.write(NETSCAPE_LOOP_FOREVER)
        previous = None
        for index, duration in zip(indices, durations, strict=True):
            file.write(_encode_frame(index, previous, duration))
            previous = index
        file.write(b";")


def frame_durations(count: int, fps: float) -> np.ndarray:
    """Times (count,) int of frames, in hundredths of a second, whose running sum is as near as can be to t / fps.

    Raises:
        ValueError: fps not above 0 or above 50, where players fall back to a slow default.
    """
    if not 0 < fps <= 100 / SHORTEST_FRAME:
        raise ValueError(
            f"fps must be above 0 and at most {100 // SHORTEST_FRAME} (players slow faster GIFs), got {fps}"
        )
    ends = np.floor(np.arange(1, count + 1) * (100.0 / fps) + 0.5).astype(int)
    return np.diff(ends, prepend=0)


def quantize(frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A palette for all frames, and the frames in it.

    The palette is median cut of the colours, refined by weighted k-means; rare colours count with the square root of
    their number, so that small coloured parts survive a large background. The commonest colour is kept exactly.

    Args:
        frames: (..., 3) uint8.

    Returns:
        palette (L, 3) uint8, L <= 255, and indices (...) uint8.
    """
    exact = _exact_palette(frames)
    if exact is not None:
        return exact
    bins = (frames[..., 0].astype(np.int32) >> 2) << 12
    bins |= (frames[..., 1].astype(np.int32) >> 2) << 6
    bins |= frames[..., 2] >> 2
    flat = bins.ravel()
    counts = np.bincount(flat, minlength=1 << 18)
    used = np.flatnonzero(counts)
    sums = [np.bincount(flat, frames[..., channel].ravel(), 1 << 18)[used] for channel in range(3)]
    colours = (np.stack(sums, 1) / counts[used, None]).astype(np.float32)
    palette = _refine(_median_cut(colours, counts[used]), colours, np.sqrt(counts[used]))
    commonest = frames.reshape(-1, 3)[flat == counts.argmax()]
    commonest = np.median(commonest[:: 1 + len(commonest) // 4096], axis=0)
    palette = np.rint(np.concatenate((commonest[None], palette))).astype(np.uint8)
    table = np.zeros(1 << 18, np.uint8)
    table[used] = _nearest(colours, palette.astype(np.float32))
    return palette, table[bins]


def _exact_palette(frames: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """The frames' own colours, if they are few enough."""
    codes = frames[..., 0].astype(np.int32) << 16
    codes |= frames[..., 1].astype(np.int32) << 8
    codes |= frames[..., 2]
    if len(np.unique(codes.reshape(-1)[:: max(1, codes.size // 65536)])) >= TRANSPARENT:
        return None
    seen = np.zeros(1 << 24, bool)
    seen[codes] = True
    colours = np.flatnonzero(seen)
    if len(colours) > TRANSPARENT:
        return None
    palette = np.stack((colours >> 16, colours >> 8 & 255, colours & 255), 1).astype(np.uint8)
    return palette, np.searchsorted(colours, codes).astype(np.uint8)


def _median_cut(colours: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """At most 254 colours (L, 3) that divide the given ones (M, 3) evenly, by Pillow's median cut."""
    copies = np.maximum(1, np.rint(np.sqrt(counts) * (40000 / np.sqrt(counts).sum()))).astype(int)
    strip = Image.fromarray(np.rint(np.repeat(colours, copies, 0)).astype(np.uint8)[None])
    cut = strip.quantize(TRANSPARENT - 1, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    return np.asarray(cut.getpalette()).reshape(-1, 3)[: TRANSPARENT - 1].astype(np.float32)


def _refine(palette: np.ndarray, colours: np.ndarray, weights: np.ndarray, steps: int = 3) -> np.ndarray:
    """The palette (L, 3) after k-means steps on weighted colours (M, 3)."""
    for _ in range(steps):
        nearest = _nearest(colours, palette)
        total = np.bincount(nearest, weights, len(palette))
        sums = [np.bincount(nearest, weights * colours[:, channel], len(palette)) for channel in range(3)]
        means = np.stack(sums, 1) / np.maximum(total, 1e-9)[:, None]
        palette = np.where(total[:, None] > 0, means, palette).astype(np.float32)
    return palette


def _nearest(colours: np.ndarray, palette: np.ndarray) -> np.ndarray:
    """Index (M,) of the palette colour nearest to each of (M, 3)."""
    squared = (palette * palette).sum(1) - 2.0 * colours @ palette.T
    return squared.argmin(1)


def _encode_frame(index: np.ndarray, previous: np.ndarray | None, duration: int) -> bytes:
    """GIF blocks of one frame of palette indices (H, W): all of it, or what differs from the previous one."""
    if previous is None:
        return _blocks(index, (0, 0), duration)
    changed = index != previous
    rows, columns = np.flatnonzero(changed.any(1)), np.flatnonzero(changed.any(0))
    if len(rows) == 0:
        return _blocks(index[:1, :1], (0, 0), duration)
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    corner = (int(columns[0]), int(rows[0]))
    whole = _blocks(index[box], corner, duration)
    holes = _blocks(np.where(changed, index, TRANSPARENT).astype(np.uint8)[box], corner, duration)
    return min(whole, holes, key=len)


def _blocks(index: np.ndarray, corner: tuple[int, int], duration: int) -> bytes:
    """GIF blocks of a rectangle of palette indices at (x, y), drawn over what is there."""
    image = Image.frombytes("P", index.shape[::-1], np.ascontiguousarray(index).tobytes())
    data = GifImagePlugin.getdata(image, corner, duration=10 * duration, transparency=TRANSPARENT, disposal=1)
    return b"".join(data)
