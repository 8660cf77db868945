"""The surface of a signed distance as a mesh, its pictures, and how far it is from the truth."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from common.cli import UserError
from common.mesh_views import render_views
from common.p3d import Meshes, PerspectiveCameras, TexturesVertex, knn_points, marching_cubes, sample_points_from_meshes

BLOCK = 2**17  # points asked at once


@torch.no_grad()
def extract_mesh(distance: Callable[[Tensor], Tensor], bounds: Tensor, resolution: int = 128, color=None) -> Meshes:
    """The zero set in a box, by marching cubes.

    Args:
        distance: points (N, 3) -> (N, 1).
        bounds: (2, 3).
        resolution: samples along the longest side.
        color: points (N, 3) -> colours (N, 3); grey without.

    Raises:
        UserError: there is no surface in the box.
    """
    low, high = bounds.float()
    step = float((high - low).max()) / (resolution - 1)
    counts = [int(n) for n in ((high - low) / step).ceil().int() + 1]
    axes = [low[axis] + step * torch.arange(counts[axis], device=low.device) for axis in range(3)]
    z, y, x = torch.meshgrid(axes[2], axes[1], axes[0], indexing="ij")
    points = torch.stack((x, y, z), -1).view(-1, 3)
    values = torch.cat([distance(part)[:, 0] for part in points.split(BLOCK)]).view(counts[::-1])
    if not (values.amin() < 0 < values.amax()):
        raise UserError(
            "the field has no surface in its box: train longer, or with another learning rate or alpha, beta"
        )
    verts, faces = marching_cubes(values[None], 0.0, return_local_coords=False)
    verts = low + step * verts[0]
    colors = torch.cat([color(part) for part in verts.split(BLOCK)]) if color else torch.full_like(verts, 0.7)
    return Meshes([verts], [faces[0]], TexturesVertex([colors]))


def largest_pieces(mesh: Meshes, share: float = 0.02) -> Meshes:
    """The connected pieces of a mesh that have at least this share of its faces, or the largest: floaters go."""
    import scipy.sparse
    from scipy.sparse.csgraph import connected_components

    faces, count = mesh.faces_packed().cpu().numpy(), len(mesh.verts_packed())
    edges = np.concatenate((faces[:, :2], faces[:, 1:]))
    graph = scipy.sparse.coo_array((np.ones(len(edges)), edges.T), (count, count))
    label = connected_components(graph, directed=False)[1][faces[:, 0]]
    sizes = np.bincount(label)
    least = min(share * len(faces), sizes.max())
    kept = torch.from_numpy(np.flatnonzero(sizes[label] >= least))
    return mesh.submeshes([[kept.to(mesh.device)]]) if len(kept) < len(faces) else mesh


def geometry_views(mesh: Meshes, cameras: PerspectiveCameras, image_size: int) -> np.ndarray:
    """Pictures (N, H, W, 3) uint8 of a mesh under a lamp beside each camera, in grey."""
    grey = Meshes(mesh.verts_list(), mesh.faces_list(), TexturesVertex([torch.full_like(mesh.verts_packed(), 0.7)]))
    return render_views(grey, cameras, image_size)


def surface_errors(mesh: Meshes, truth: np.ndarray, seed: int = 0) -> dict[str, float]:
    """Distances between a mesh and points (N, 3) of the true surface, as shares of the truth's bounding-box diagonal.

    Returns:
        ``accuracy``: mean from the mesh to the truth; ``completeness``: from the truth to the mesh; ``chamfer``: the
        mean of both.
    """
    target = torch.from_numpy(np.ascontiguousarray(truth)).float()
    diagonal = float((target.amax(0) - target.amin(0)).norm())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        found = sample_points_from_meshes(mesh.cpu(), len(target))[0]
    one = knn_points(found[None], target[None]).dists.sqrt().mean().item() / diagonal
    two = knn_points(target[None], found[None]).dists.sqrt().mean().item() / diagonal
    return {"accuracy": one, "completeness": two, "chamfer": 0.5 * (one + two)}
