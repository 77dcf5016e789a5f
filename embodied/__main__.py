"""python -m embodied, the same as the command `embodied`."""

import sys

from embodied.cli import main

if __name__ == "__main__":
    sys.exit(main())
