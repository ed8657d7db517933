"""`python -m fabric.cli`, where no script is installed."""

import sys

from fabric.cli import main

if __name__ == "__main__":
    sys.exit(main())
