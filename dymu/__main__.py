"""``python -m dymu`` is the command ``dymu``."""

from dymu.cli import main

if __name__ == "__main__":
    main()
