"""``python -m revetl``: the command line, where its script is not on the path."""

from revetl.cli import main

if __name__ == "__main__":
    main()
