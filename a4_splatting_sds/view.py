"""An interactive page of Gaussians in the browser: orbit, watch them being trained, save them."""

import socket
import time
import webbrowser
from collections.abc import Sequence

import numpy as np
import torch

from a4_splatting_sds.files import file_bytes, load_gaussians
from a4_splatting_sds.gaussians import Gaussians
from a4_splatting_sds.pictures import UP
from a4_splatting_sds.projection import compute_cov_3D
from a4_splatting_sds.render import PRETRAINED
from a4_splatting_sds.spherical_harmonics import C0
from common.cli import ArgumentParser, UserError, command, positive_float, positive_int

NAME = "/gaussians"


class Viewer:
    """A page that shows Gaussians, in colours of degree 0.

    Args:
        port: of the page. host: address it is served at. up: axis that points upwards, one of ``UP``.

    Raises:
        UserError: the port is taken, or none that may be had.
    """

    def __init__(self, port: int, host: str = "127.0.0.1", up: str = "z"):
        import viser

        _check_free(host, port)
        self.server = viser.ViserServer(host=host, port=port, label="Gaussians", verbose=False)
        self.server.scene.set_up_direction(UP[up])
        self.address = f"http://{host}:{self.server.get_port()}"
        self.handle, self.gaussians = None, None
        self.count = self.server.gui.add_markdown("nothing yet")
        self.buttons = {ending: self.server.gui.add_button(f"save as {ending}") for ending in (".ply", ".splat")}
        for ending, button in self.buttons.items():
            button.on_click(lambda event, ending=ending: self._save(event.client, ending))

    def show(self, gaussians: Gaussians, note: str = "") -> None:
        """Show Gaussians in the place of those before; ``note`` stands beside their number."""
        parts = arrays_of(gaussians)
        if self.handle is None:
            self.handle = self.server.scene.add_gaussian_splats(NAME, **parts)
        else:
            self.handle.set_gaussians(**parts)
        self.gaussians = Gaussians(**{name: x.cpu().clone() for name, x in gaussians.tensors().items()})
        self.count.content = f"{len(gaussians)} Gaussians {note}"

    def stop(self) -> None:
        """End the page."""
        self.server.stop()

    def _save(self, client, ending: str) -> None:
        if client is not None and self.gaussians is not None:
            client.send_file_download(f"gaussians{ending}", file_bytes(self.gaussians, ending))


def arrays_of(gaussians: Gaussians) -> dict[str, np.ndarray]:
    """``centers`` (N, 3), ``covariances`` (N, 3, 3), ``rgbs`` (N, 3), ``opacities`` (N, 1), as viser has them."""
    with torch.no_grad():
        parts = {
            "centers": gaussians.means,
            "covariances": compute_cov_3D(gaussians.quats, gaussians.scales),
            "rgbs": (0.5 + C0 * gaussians.sh_dc[:, 0]).clamp(0, 1),
            "opacities": gaussians.opacities[:, None],
        }
    return {name: values.detach().cpu().numpy().astype(np.float32) for name, values in parts.items()}


def _check_free(host: str, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except (OSError, OverflowError) as error:
            raise UserError(f"port {port}: cannot be had at {host} ({error}); use another") from None


@command
def main(argv: Sequence[str] | None = None) -> None:
    """Show a file until Ctrl-C."""
    p = ArgumentParser(
        "An interactive page of Gaussians in the browser, until Ctrl-C.",
        "python -m a4_splatting_sds.view outputs/a4_splatting_sds/train_lego/gaussians.ply",
    )
    p.add_argument("file", nargs="?", default=PRETRAINED, help=".ply or .splat file")
    p.add_argument("--port", type=positive_int, default=8080, help="of the page")
    p.add_argument("--host", default="127.0.0.1", help="address it is served at; 0.0.0.0 for other machines too")
    p.add_argument("--up", choices=UP, default="z", help="which way is up")
    p.add_argument("--no_browser", dest="browser", action="store_false", help="only say where the page is")
    p.add_argument("--seconds", type=positive_float, default=None, help="end after this time")
    args = p.parse_args(argv)
    gaussians = load_gaussians(args.file)
    viewer = Viewer(args.port, args.host, args.up)
    try:
        viewer.show(gaussians)
        print(f"{args.file}: {viewer.address} (Ctrl-C ends)", flush=True)
        if args.browser:
            webbrowser.open(viewer.address)
        end = None if args.seconds is None else time.monotonic() + args.seconds
        while end is None or time.monotonic() < end:
            time.sleep(0.1)
    finally:
        viewer.stop()


if __name__ == "__main__":
    raise SystemExit(main())
