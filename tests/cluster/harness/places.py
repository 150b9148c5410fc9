"""Where a campaign lies, and the environment of everything in it: nothing of the user's Ray or MLflow."""

import os
import secrets
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[3]
TOYS = ROOT / "tests" / "cluster" / "toys"
HOST = "127.0.0.1"
_OURS = ("RAY_", "MLFLOW_", "DYMU_", "TUNE_", "OMP_", "MKL_")


@dataclass(frozen=True, kw_only=True)
class Places:
    """Folder and ports of one campaign.

    Attributes:
        folder: For everything; its name must be short, because sockets lie below it.
        ray_port: Of the head.
        dashboard_port: Of Ray's dashboard.
        client_port: Of Ray Client, which nobody uses and which cannot be turned off.
        mlflow_port: Of the tracking server.
        token: Of the cluster.
        gcs_patience_s: How long Ray's processes wait for a head that is gone; Ray's own choice is 60.
    """

    folder: Path
    ray_port: int
    dashboard_port: int
    client_port: int
    mlflow_port: int
    token: str
    gcs_patience_s: int

    @property
    def ray_address(self) -> str:
        """Address of the cluster."""
        return f"{HOST}:{self.ray_port}"

    @property
    def tracking_uri(self) -> str:
        """Address of the tracking server."""
        return f"http://{HOST}:{self.mlflow_port}"

    def environment(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """Environment of every process of the campaign."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
        home = self.folder / "home"
        home.mkdir(parents=True, exist_ok=True)
        return {
            **kept,
            "HOME": str(home),
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": str(ROOT),
            "PYTHONWARNINGS": "ignore",
            "RAY_ADDRESS": self.ray_address,
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": self.token,
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_gcs_rpc_server_reconnect_timeout_s": str(self.gcs_patience_s),
            "MLFLOW_TRACKING_URI": self.tracking_uri,
            "MLFLOW_DISABLE_TELEMETRY": "true",
            **(more or {}),
        }


def new_places(folder: Path, *, gcs_patience_s: int) -> Places:
    """Free ports and a fresh token."""
    ray_port, dashboard_port, client_port, mlflow_port = _free_ports(4)
    return Places(
        folder=folder,
        ray_port=ray_port,
        dashboard_port=dashboard_port,
        client_port=client_port,
        mlflow_port=mlflow_port,
        token=secrets.token_hex(32),
        gcs_patience_s=gcs_patience_s,
    )


def program(name: str) -> str:
    """A console script of the environment that runs this."""
    return str(Path(sys.executable).parent / name)


def _free_ports(count: int) -> list[int]:
    holders = [socket.socket() for _ in range(count)]
    try:
        for holder in holders:
            holder.bind((HOST, 0))
        return [int(holder.getsockname()[1]) for holder in holders]
    finally:
        for holder in holders:
            holder.close()
