"""``python tests/cluster/chaos.py --kills 20 --seed 0``: what survives ``kill -9``; see docs/faults.md."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.cluster.harness.campaign import main

if __name__ == "__main__":
    sys.exit(main())
