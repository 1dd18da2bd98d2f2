"""The command `microgpt`, also `python -m reference`."""

import sys

from reference.commands import main

if __name__ == "__main__":
    sys.exit(main())
