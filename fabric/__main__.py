"""`python -m fabric`, where no script is installed."""

import sys

from fabric.cli import main

if __name__ == "__main__":
    sys.exit(main())
