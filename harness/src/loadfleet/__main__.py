"""`python -m loadfleet` is the command `loadfleet`."""

from loadfleet.cli import main

if __name__ == "__main__":
    main()
