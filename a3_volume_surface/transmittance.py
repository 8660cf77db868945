"""Question 0: how much light passes a medium of three parts; and volume rendering against integrals in closed form."""

import math
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from a3_volume_surface.command import OUTPUT_DIR
from a3_volume_surface.rays import get_pixels_from_image, get_rays_from_pixels
from a3_volume_surface.samplers import with_samples
from a3_volume_surface.volume_renderer import aggregate, compute_weights, transmittance
from common.camera_poses import create_surround_cameras
from common.cli import ArgumentParser, add_common_flags, command, positive_int
from common.outputs import atomic_path, make_folder, write_metrics, write_run

# The exercise's medium: y1 to y2, y2 to y3, y3 to y4; metres, and absorption per metre.
LENGTHS, ABSORPTION = (2.0, 1.0, 3.0), (1.0, 0.5, 10.0)
ASKED = {"T(y1,y2)": (0, 1), "T(y2,y4)": (1, 3), "T(x,y4)": (0, 3), "T(x,y3)": (0, 2)}


def closed_form(first: int, last: int) -> float:
    """exp(-sum of absorption times length) over the parts ``first`` to ``last`` - 1; before y1 there is nothing."""
    return math.exp(-sum(a * s for a, s in zip(ABSORPTION[first:last], LENGTHS[first:last], strict=True)))


def rendered(first: int, last: int, samples: int) -> float:
    """The same by the renderer's own sums, of ``samples`` equal stretches in each part."""
    deltas = torch.cat([torch.full((samples,), LENGTHS[k] / samples, dtype=torch.float64) for k in range(first, last)])
    densities = torch.cat([torch.full((samples,), ABSORPTION[k], dtype=torch.float64) for k in range(first, last)])
    end = torch.cat((deltas, deltas.new_zeros(1))), torch.cat((densities, densities.new_zeros(1)))
    return float(transmittance(end[1], end[0])[-1])


def box_integrals(origins: Tensor, directions: Tensor, side: float, density: float):
    """Closed forms for a cube of constant density and colour 1 around the origin.

    Returns:
        entry and exit (P,), colour (P,) = 1 - exp(-density length) and depth (P,), the mean length at which light is
        emitted times the colour: the integral of t density exp(-density (t - entry)) from entry to exit.
    """
    inverse = 1.0 / torch.where(directions.abs() < 1e-12, 1e-12, directions)
    one, two = (-side / 2 - origins) * inverse, (side / 2 - origins) * inverse
    entry, leave = torch.minimum(one, two).amax(1), torch.maximum(one, two).amin(1)
    leave = torch.maximum(entry, leave)
    passed = torch.exp(-density * (leave - entry))
    return entry, leave, 1.0 - passed, entry + 1.0 / density - (leave + 1.0 / density) * passed


def box_errors(samples: int, side: float = 1.75, density: float = 2.0, size: int = 64) -> dict[str, float]:
    """Greatest differences of colour and depth, rendered with ``samples`` in the box, from their closed forms."""
    camera = create_surround_cameras(3.0, 8)[1]
    rays = get_rays_from_pixels(get_pixels_from_image((size, size)), (size, size), camera)
    entry, leave, color, depth = box_integrals(rays.origins, rays.directions, side, density)
    share = (torch.arange(samples) + 0.5) / samples
    lengths = entry[:, None] + (leave - entry)[:, None] * share
    rays = with_samples(rays, lengths)
    deltas = ((leave - entry) / samples)[:, None].expand_as(lengths)
    weights = compute_weights(torch.full_like(lengths, density), deltas)
    shown = aggregate(weights, torch.ones_like(rays.sample_points[..., :1]))[:, 0]
    return {
        "box_color_error": float((shown - color).abs().max()),
        "box_depth_error": float(((weights * lengths).sum(1) - depth).abs().max()),
    }


@command
def main(argv: Sequence[str] | None = None) -> None:
    """Print the exercise's answers beside what the renderer computes, and draw them."""
    import time

    parser = ArgumentParser("The transmittance exercise; a second.", "python -m a3_volume_surface.transmittance")
    add_common_flags(parser, OUTPUT_DIR)
    parser.add_argument("--samples", type=positive_int, default=64, help="stretches in each part, samples in the box")
    args = parser.parse_args(argv)
    started, folder = time.time(), make_folder(Path(args.output_dir) / "transmittance", "--output_dir")
    metrics, worst = {}, 0.0
    for name, (first, last) in ASKED.items():
        exact, sums = closed_form(first, last), rendered(first, last, args.samples)
        worst = max(worst, abs(sums / exact - 1.0))
        metrics[name] = exact
        print(f"{name} = {exact:.6e}   by the renderer {sums:.6e}")
    metrics |= {"greatest_relative_error": worst, **box_errors(args.samples)}
    print(", ".join(f"{name} {value:.2e}" for name, value in metrics.items() if "error" in name))
    figure(folder / "transmittance.png")
    write_metrics(folder, {**metrics, "seconds": time.time() - started})
    write_run(folder, vars(args), started, seed=args.seed, device="cpu", data={"source": "none"})


def figure(path: Path) -> None:
    """Draw the transmittance from x along the medium, on a logarithmic scale."""
    from matplotlib.figure import Figure

    drawing = Figure(figsize=(6.4, 3.2), layout="constrained")
    axes = drawing.subplots()
    places, values, at, optical = [0.0], [1.0], 0.0, 0.0
    for length, absorption in zip(LENGTHS, ABSORPTION, strict=True):
        for k in range(1, 51):
            places.append(at + length * k / 50)
            values.append(math.exp(-(optical + absorption * length * k / 50)))
        at, optical = at + length, optical + absorption * length
    axes.semilogy(places, values)
    for place, name in zip((0.0, 2.0, 3.0, 6.0), ("y1", "y2", "y3", "y4"), strict=True):
        axes.axvline(place, color="grey", linewidth=0.6)
        axes.text(place, 2.0, name, ha="center")
    axes.set_xlabel("metres from y1")
    axes.set_ylabel("transmittance from x")
    with atomic_path(path) as temporary:
        drawing.savefig(temporary, dpi=120)


if __name__ == "__main__":
    raise SystemExit(main())
