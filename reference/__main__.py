"""The command `microgpt`, also `python -m reference`."""

import sys

from reference.app.commands import main

if __name__ == "__main__":
    sys.exit(main())
