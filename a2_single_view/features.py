"""Features of all pictures by one encoder, kept beside them: what ``train_model --load_feat`` trains on."""

import hashlib
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from a2_single_view.data import CLASSES, load_shapes
from a2_single_view.data.packed import ENCODER_FILE, FEATURES_FILE, Pack
from a2_single_view.eval_model import load_model
from a2_single_view.resnet import ARCHITECTURES, FEATURES, load_encoder_weights
from common.cli import ArgumentParser, UserError, add_common_flags, command, positive_int, resolve_device
from common.outputs import atomic_path, write_json


@torch.no_grad()
def keep_features(encoder: torch.nn.Module, pack: Pack, batch_size: int, device: torch.device) -> Path:
    """Write features (N, V, 512) float16 of all pictures of a pack; its file."""
    count, views = pack.arrays["places"].shape[:2]
    features = np.zeros((count, views, FEATURES), np.float16)
    rows = [row for row, name in enumerate(pack.done["names"]) if name is not None]
    for row in tqdm(rows, desc=f"features of {pack.name}s", unit="shape"):
        for start in range(0, views, batch_size):
            images = np.stack([pack.image(row, view) for view in range(start, min(start + batch_size, views))])
            images = torch.from_numpy(images).permute(0, 3, 1, 2).to(device)
            features[row, start : start + batch_size] = encoder(images).cpu().numpy()
    with atomic_path(pack.folder / FEATURES_FILE) as temporary:
        np.save(temporary, features)
    write_json(pack.folder / ENCODER_FILE, {"encoder": fingerprint(encoder)})
    return pack.folder / FEATURES_FILE


def fingerprint(encoder: torch.nn.Module) -> str:
    """Of an encoder's weights."""
    digest = hashlib.sha256()
    for value in encoder.state_dict().values():
        digest.update(value.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


@command
def main(argv: Sequence[str] | None = None) -> None:
    """Keep the features of all pictures of the classes."""
    started = time.time()
    p = ArgumentParser(
        "Features of all pictures, for train_model --load_feat; a minute a thousand shapes with the small encoder on "
        "two cores, twenty with ResNet-18.",
        "python -m a2_single_view.features --arch resnet18 --encoder_weights resnet18.pth",
    )
    add_common_flags(p, "outputs/a2_single_view")
    p.add_argument("--arch", choices=sorted(ARCHITECTURES), default="small", help="encoder")
    p.add_argument("--encoder_weights", default=None, help="file of weights in torchvision's layout")
    p.add_argument("--checkpoint", default=None, help="take the encoder of this model of train_model's")
    p.add_argument("--classes", nargs="+", choices=CLASSES, default=["chair"], help="of which shapes")
    p.add_argument("--batch_size", type=positive_int, default=24, help="images at once")
    p.add_argument("--skip_bad", action="store_true", help="leave out official shapes that are damaged or missing")
    args = p.parse_args(argv)
    if (args.checkpoint is None) == (args.encoder_weights is None):
        raise UserError("give --encoder_weights or --checkpoint: features of an untrained encoder say little")
    device = resolve_device(args.device)
    if args.checkpoint:
        model, _ = load_model(Path(args.checkpoint))
        if model.kept:
            raise UserError(f"--checkpoint {args.checkpoint}: it was trained on kept features and has no encoder")
        encoder = model.encoder
    else:
        encoder = ARCHITECTURES[args.arch]()
        load_encoder_weights(encoder, args.encoder_weights)
    encoder = encoder.to(device).eval()
    for pack in load_shapes(tuple(args.classes), args.data_dir, args.skip_bad)["train"].packs:
        print(keep_features(encoder, pack, args.batch_size, device))
    print(f"{time.time() - started:.0f} s")


if __name__ == "__main__":
    raise SystemExit(main())
