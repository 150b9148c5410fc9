import subprocess
import sys

from dymu import __version__


def test_the_module_is_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "dymu", "version"], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == f"{__version__}\n"
