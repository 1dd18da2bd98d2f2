"""`python -m harness.cli`: the command `conform`."""

from harness.cli.main import main

if __name__ == "__main__":
    main()
