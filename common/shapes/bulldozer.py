"""A toy bulldozer of bricks: the scene that radiance fields and neural surfaces are trained on by default.

Built lying along x (the blade in front, at +x), y up, z across; then turned so that z is up, as in NeRF's synthetic
scenes (Mildenhall et al. 2020), and scaled to fit a ball of radius 1.2 or so.
"""

import numpy as np

from common.shapes.primitives import Box, Cone, Ellipsoid, Torus, Tube
from common.shapes.shape import Material, Part, Shape

PART_NAMES = ("track", "wheel", "body", "cab", "blade", "arm", "ripper", "stud")
TRACK, WHEEL, BODY, CAB, BLADE, ARM, RIPPER, STUD = range(len(PART_NAMES))

YELLOW = Material("yellow plastic", (0.96, 0.72, 0.08))
ORANGE = Material("orange plastic", (0.88, 0.45, 0.07))
DARK = Material("dark plastic", (0.16, 0.17, 0.19))
GREY = Material("grey plastic", (0.55, 0.57, 0.60))
PALE = Material("pale plastic", (0.82, 0.83, 0.84))
RED = Material("red plastic", (0.80, 0.10, 0.08))
BLUE = Material("blue plastic", (0.12, 0.32, 0.70))
CLEAR = Material("pale blue plastic", (0.60, 0.80, 0.92))

ACROSS = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])  # the y axis of a solid laid along z
ALONG = np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])  # ... and along x
Z_UP = ACROSS
SCALE = 0.78


def bulldozer() -> Shape:
    """The toy: some 200 parts of 8 kinds, z up, about 2.3 long, centred on the middle of its bounding box."""
    parts = [*_tracks(), *_body(), *_cab(), *_blade(), *_ripper()]
    turned = tuple(
        Part(p.primitive, p.label, p.material, Z_UP @ p.rotation, Z_UP @ p.translation, p.scale) for p in parts
    )
    shape = Shape("bulldozer", "bricks", turned, PART_NAMES, "a yellow toy bulldozer on tracks, built of bricks")
    low, high = shape.bounds()
    return shape.moved(SCALE, -SCALE * (low + high) / 2)


def _box(size, at, label, material, radius=0.0, rotation=None) -> Part:
    rotation = np.eye(3) if rotation is None else rotation
    return Part(Box(size, radius), label, material, rotation, np.asarray(at, float))


def _rod(radius, length, at, label, material, rotation=ACROSS, top=None) -> Part:
    return Part(Cone(radius, top or radius, length), label, material, rotation, np.asarray(at, float))


def _stud(at, material, rotation=None) -> Part:
    """A brick's knob; ``at`` is the middle of its foot."""
    rotation = np.eye(3) if rotation is None else rotation
    middle = np.asarray(at, float) + rotation @ np.array([0.0, 0.025, 0.0])
    return Part(Cone(0.055, 0.055, 0.06), STUD, material, rotation, middle)


def _tilt(angle: float) -> np.ndarray:
    """A turn about z by radians, from x to y."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])


def _tracks() -> list[Part]:
    parts, reach, radius = [], 0.78, 0.26
    turn, straight = np.pi * radius, 2 * reach
    links = 30
    for side in (-1, 1):
        z = 0.66 * side
        for number in range(links):
            s = (number + 0.5) / links * 2 * (turn + straight)
            if s < straight:
                place, angle = (reach - s, radius), np.pi
            elif s < straight + turn:
                angle = np.pi + (s - straight) / radius
                place = (-reach + radius * np.sin(angle), -radius * np.cos(angle))
            elif s < 2 * straight + turn:
                place, angle = (-reach + s - straight - turn, -radius), 0.0
            else:
                angle = (s - 2 * straight - turn) / radius
                place = (reach + radius * np.sin(angle), -radius * np.cos(angle))
            size = (0.165, 0.055 if number % 2 else 0.035, 0.40)  # as long as needed to touch the next
            parts.append(_box(size, (place[0], place[1] + 0.30, z), TRACK, DARK, 0.0, _tilt(angle)))
        parts.append(_box((1.5, 0.10, 0.24), (0.0, 0.30, z), TRACK, GREY))
        for x in (-reach, reach):
            parts.append(_rod(0.21, 0.30, (x, 0.30, z), WHEEL, PALE))
            parts.append(_rod(0.09, 0.36, (x, 0.30, z), WHEEL, RED))
        for x in (-0.42, 0.0, 0.42):
            parts.append(_rod(0.12, 0.30, (x, 0.18, z), WHEEL, PALE))
            parts.append(_rod(0.05, 0.35, (x, 0.18, z), WHEEL, DARK))
    return parts


def _body() -> list[Part]:
    parts = [
        _box((1.75, 0.24, 0.86), (-0.02, 0.46, 0.0), BODY, DARK),
        _box((1.70, 0.16, 0.96), (-0.02, 0.66, 0.0), BODY, YELLOW, 0.02),
        _box((0.72, 0.40, 0.72), (0.44, 0.93, 0.0), BODY, YELLOW, 0.02),
        _box((0.10, 0.44, 0.62), (0.83, 0.88, 0.0), BODY, ORANGE),
        _rod(0.055, 0.42, (0.58, 1.32, 0.17), BODY, GREY, np.eye(3)),
        _rod(0.080, 0.06, (0.58, 1.53, 0.17), BODY, DARK, np.eye(3)),
        Part(Torus(0.09, 0.022), BODY, PALE, np.eye(3), np.array([0.36, 1.16, -0.17])),
        _rod(0.07, 0.08, (0.36, 1.15, -0.17), BODY, RED, np.eye(3)),
    ]
    for z in np.linspace(-0.24, 0.24, 5):
        parts.append(_box((0.05, 0.36, 0.035), (0.895, 0.88, z), BODY, DARK))
    for z in (-0.24, 0.24):
        parts.append(Part(Ellipsoid((0.05, 0.07, 0.07)), BODY, CLEAR, np.eye(3), np.array([0.80, 1.20, z])))
        parts.append(_box((0.10, 0.12, 0.12), (0.73, 1.18, z), BODY, ORANGE))
    for side in (-1, 1):
        for x in (0.24, 0.40, 0.56):
            parts.append(_box((0.09, 0.22, 0.03), (x, 0.95, 0.365 * side), BODY, DARK))
        for x in np.linspace(-0.78, 0.70, 9):
            parts.append(_stud((x, 0.74, 0.425 * side), YELLOW))
    parts += [_stud((x, 1.13, z), YELLOW) for x in (0.18, 0.70) for z in (-0.10, 0.10)]
    return parts


def _cab() -> list[Part]:
    parts = [
        _box((0.76, 0.10, 0.78), (-0.40, 0.79, 0.0), CAB, GREY),
        _box((0.30, 0.12, 0.34), (-0.45, 0.90, 0.0), CAB, RED, 0.03),
        _box((0.09, 0.36, 0.34), (-0.60, 1.06, 0.0), CAB, RED, 0.03),
        _box((0.12, 0.26, 0.40), (-0.10, 0.97, 0.0), CAB, DARK),
        Part(Torus(0.10, 0.02), CAB, DARK, _tilt(0.9), np.array([-0.23, 1.16, 0.0])),
        Part(Tube(((-0.12, 1.05, 0.0), (-0.23, 1.16, 0.0)), 0.016), CAB, GREY),
        Part(Tube(((-0.23, 1.16, -0.10), (-0.23, 1.16, 0.10)), 0.012), CAB, DARK),
        Part(Tube(((-0.387, 0.83, 0.27), (-0.33, 1.10, 0.27)), 0.016), CAB, PALE),
        Part(Ellipsoid((0.035,) * 3), CAB, BLUE, np.eye(3), np.array([-0.33, 1.11, 0.27])),
        _box((0.92, 0.08, 0.88), (-0.40, 1.56, 0.0), CAB, YELLOW, 0.02),
        _box((0.10, 0.08, 0.30), (-0.02, 1.64, 0.0), CAB, DARK),
    ]
    for x in (-0.73, -0.07):
        for z in (-0.36, 0.36):
            parts.append(_box((0.055, 0.74, 0.055), (x, 1.17, z), CAB, YELLOW))
    for z in (-0.36, 0.36):
        parts.append(_box((0.62, 0.04, 0.04), (-0.40, 1.05, z), CAB, ORANGE))
    parts += [_stud((x, 1.60, z), YELLOW) for x in (-0.74, -0.56, -0.38, -0.20) for z in (-0.30, -0.10, 0.10, 0.30)]
    parts.append(_rod(0.06, 0.09, (-0.40, 1.68, 0.0), CAB, ORANGE, np.eye(3), top=0.05))
    return parts


def _blade() -> list[Part]:
    parts = []
    for angle in np.linspace(-0.75, 0.75, 7):  # a hollow towards +x, of flat bricks
        at = (1.72 - 0.50 * np.cos(angle), 0.45 + 0.50 * np.sin(angle), 0.0)
        parts.append(_box((0.06, 0.135, 1.90), at, BLADE, YELLOW, 0.0, _tilt(-angle)))
    parts.append(_box((0.20, 0.05, 1.90), (1.40, 0.085, 0.0), BLADE, GREY, 0.0, _tilt(-0.35)))
    for side in (-1, 1):
        parts.append(_box((0.26, 0.66, 0.05), (1.32, 0.45, 0.95 * side), BLADE, ORANGE))
        parts.append(_box((0.92, 0.09, 0.07), (0.80, 0.34, 0.90 * side), ARM, ORANGE))
        parts.append(_rod(0.06, 0.30, (0.38, 0.34, 0.86 * side), ARM, DARK))
        parts.append(Part(Tube(((0.60, 0.80, 0.52 * side), (0.95, 0.68, 0.52 * side)), 0.055), ARM, GREY))
        parts.append(Part(Tube(((0.90, 0.70, 0.52 * side), (1.20, 0.60, 0.52 * side)), 0.030), ARM, PALE))
        parts.append(_box((0.16, 0.12, 0.12), (0.60, 0.80, 0.47 * side), ARM, DARK))
    back = _tilt(0.45)
    parts += [_stud((1.42, 0.83, z), YELLOW, back) for z in np.linspace(-0.84, 0.84, 8)]
    return parts


def _ripper() -> list[Part]:
    parts = [
        _box((0.30, 0.34, 0.70), (-0.92, 0.72, 0.0), RIPPER, GREY),
        _box((0.34, 0.08, 0.50), (-1.15, 0.60, 0.0), RIPPER, ORANGE),
        _rod(0.07, 0.74, (-1.32, 0.62, 0.0), RIPPER, DARK),
        _box((0.20, 0.06, 0.50), (-0.92, 0.92, 0.0), RIPPER, DARK),
    ]
    for z in (-0.28, 0.0, 0.28):
        path = ((-1.32, 0.62, z), (-1.44, 0.46, z), (-1.40, 0.26, z), (-1.30, 0.12, z))
        parts.append(Part(Tube(path, 0.04), RIPPER, YELLOW))
    for z in (-0.25, 0.25):
        parts.append(_rod(0.06, 0.05, (-1.08, 0.80, z), RIPPER, RED, ALONG))
    return parts
