"""`python -m cleanplate`: the command line, where its script is not on the path."""

from cleanplate.cli import main

if __name__ == "__main__":
    main()
