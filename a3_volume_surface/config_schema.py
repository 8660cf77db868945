"""The keys of a configuration, section by section and type by type: key -> (kind of value, default)."""

from types import SimpleNamespace

from a3_volume_surface.config_values import (
    REQUIRED,
    bounds,
    cells,
    count,
    counts,
    flag,
    levels,
    not_negative,
    numbers,
    one_of,
    optional,
    parameter,
    positive,
    section,
    seed,
    size,
    text,
    typed,
    whole,
)

CAMERA = {
    "focal": (positive, 1.0),
    "eye": (numbers(3), REQUIRED),
    "principal_point": (numbers(2), [0.0, 0.0]),
    "scene_center": (numbers(3), [0.0, 0.0, 0.0]),
    "up": (numbers(3), [0.0, 1.0, 0.0]),
    "image": (optional(text), None),
}


def _cameras(value):
    if not isinstance(value, dict) or not value:
        raise ValueError("must name at least one camera")
    return [section(camera, CAMERA, name) for name, camera in value.items()]


def _relighting(value):
    if value != {"type": "none"}:
        raise ValueError("must be {type: none}; images are not lit anew")
    return SimpleNamespace(**value)


TYPES = ("render", "train", "train_nerf", "train_points", "train_images")
TOP = {"seed": (seed, 0), "type": (one_of(*TYPES), REQUIRED)}
DATA = {
    "image_size": (optional(size), (256, 256)),
    "dataset_name": (text, "lego"),
    "point_cloud_path": (optional(text), None),
    "cameras": (_cameras, None),
    "num_views": (optional(count), None),
}
RENDERERS = {
    "volume": {"chunk_size": (count, 32768), "white_background": (flag, None)},
    "sphere_tracing": {
        "chunk_size": (count, 65536),
        "near": (not_negative, 0.0),
        "far": (positive, 5.0),
        "max_iters": (count, 64),
        "over_relaxation": (positive, 1.2),
        "culling": (flag, True),
    },
    "volume_sdf": {
        "chunk_size": (count, 32768),
        "white_background": (flag, None),
        "alpha": (positive, 10.0),
        "beta": (positive, 0.05),
        "learn": (flag, False),
        "beta_end": (optional(positive), None),
        "s_end": (optional(positive), None),
        "conversion": (one_of("volsdf", "neus", "naive"), "volsdf"),
        "s": (positive, 50.0),
        "relighting_function": (_relighting, SimpleNamespace(type="none")),
    },
}
SAMPLERS = {
    "stratified": {
        "n_pts_per_ray": (optional(count), 64),
        "n_fine_per_ray": (whole, 0),
        "min_depth": (optional(not_negative), 0.0),
        "max_depth": (optional(positive), 5.0),
    },
    "occupancy": {
        "step": (positive, 1.0),
        "n_samples": (count, 2**17),
        "resolution": (cells, 128),
        "min_depth": (optional(not_negative), None),
        "max_depth": (optional(positive), None),
    },
}


def _parts(value):
    if not isinstance(value, list) or len(value) < 2:
        raise ValueError("must be a list of at least two shapes")
    known = {name: schema for name, schema in SDFS.items() if name != "many_primitives"}
    return [typed(part, known, f"part {number}") for number, part in enumerate(value)]


CENTRE = (parameter(3), SimpleNamespace(val=[0.0] * 3, opt=False, rainbow=False))
SDFS = {
    "sphere": {"center": CENTRE, "radius": (parameter(None, positive), REQUIRED)},
    "box": {"center": CENTRE, "side_lengths": (parameter(3, positive), REQUIRED)},
    "torus": {"center": CENTRE, "radii": (parameter(2, positive), REQUIRED)},
    "combination": {
        "operation": (one_of("union", "intersection", "difference", "smooth_union"), REQUIRED),
        "k": (positive, 0.2),
        "parts": (_parts, REQUIRED),
    },
    "many_primitives": {"count": (count, 240), "seed": (whole, 0)},
}


def _sdf(value):
    return typed(value, SDFS, "sdf")


FEATURE = (parameter(3), SimpleNamespace(val=[1.0] * 3, opt=False, rainbow=True))
HIDDEN = {
    "n_harmonic_functions_xyz": (whole, 6),
    "n_harmonic_functions_dir": (whole, 2),
}
FUNCTIONS = {
    "sdf_volume": {
        "sdf": (_sdf, REQUIRED),
        "feature": FEATURE,
        "alpha": (parameter(None, positive), SimpleNamespace(val=1.0, opt=False)),
        "beta": (parameter(None, positive), SimpleNamespace(val=0.05, opt=False)),
    },
    "sdf_surface": {"sdf": (_sdf, REQUIRED), "feature": FEATURE},
    "nerf": {
        **HIDDEN,
        "n_hidden_neurons_xyz": (count, 128),
        "n_hidden_neurons_dir": (count, 64),
        "density_noise_std": (not_negative, 0.0),
        "n_layers_xyz": (count, 6),
        "append_xyz": (counts, (3,)),
        "view_dependence": (flag, True),
    },
    "nerf_grid": {
        "resolutions": (levels, (32, 128)),
        "features": (count, 8),
        "log2_table_size": (count, 17),
        "n_hidden_neurons": (count, 48),
        "view_dependence": (flag, True),
        "n_harmonic_functions_dir": (whole, 2),
        "bounds": (optional(bounds), None),
    },
    "grid_surface": {
        "resolutions": (levels, (24, 96)),
        "features": (count, 8),
        "log2_table_size": (count, 17),
        "n_hidden_neurons": (count, 48),
        "radius": (positive, 0.8),
        "bounds": (optional(bounds), None),
    },
    "neural_surface": {
        **HIDDEN,
        "n_layers_distance": (count, 6),
        "n_hidden_neurons_distance": (count, 128),
        "append_distance": (counts, ()),
        "n_layers_color": (count, 2),
        "n_hidden_neurons_color": (count, 128),
        "append_color": (counts, ()),
    },
}
TRAINING = {
    "num_epochs": (count, 250),
    "pretrain_iters": (whole, 0),
    "batch_size": (count, 1024),
    "lr": (positive, 5e-4),
    "lr_scheduler_step_size": (positive, 50.0),
    "lr_scheduler_gamma": (positive, 0.8),
    "checkpoint_path": (text, ""),
    "checkpoint_interval": (count, 50),
    "resume": (flag, False),
    "render_interval": (count, 10),
    "max_minutes": (optional(positive), None),
    "inter_weight": (not_negative, 0.1),
    "eikonal_weight": (not_negative, 0.02),
    "distortion_weight": (not_negative, 0.0),
    "bounds": (bounds, [[-4.0] * 3, [4.0] * 3]),
}
