"""The speech service of this machine, which runs the built-in voices' engines."""

import signal
import socket
import subprocess
import sys
from pathlib import Path

from config.embedded import children, paths
from providers.unicorn.service import CONTROL, socket_path

_ROOT = Path(__file__).resolve().parent.parent.parent


class Speech:
    """The service, on sockets of `home`, for as long as its supervisor runs.

    `lock` is the descriptor that `ownership.owned(home)` yields.
    """

    name = "speech"
    stop_signal = signal.SIGTERM
    stop_timeout = 5.0

    def __init__(self, home: Path, lock: int) -> None:
        self.directory = paths.socket_directory(home)
        self.log = home.resolve() / "speech.log"
        self._lock = lock

    def launch(self) -> subprocess.Popen[bytes]:
        """Start the service; don't wait."""
        command = [sys.executable, "-m", "providers.unicorn.service"]
        with self.log.open("wb") as output:
            return children.spawn(
                [*command, str(self.directory), "--stay"],
                on_parent_death=signal.SIGTERM,
                output=output.fileno(),
                directory=_ROOT,
                inherit=(self._lock,),
            )

    def is_ready(self) -> bool:
        """Return whether the service accepts tasks; its engines may still be loading."""
        with socket.socket(socket.AF_UNIX) as client:
            try:
                client.connect(socket_path(self.directory, CONTROL))
            except OSError:
                return False
        return True
