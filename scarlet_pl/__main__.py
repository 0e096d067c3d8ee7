"""`python -m scarlet_pl` is `scarlet-pl`."""

from scarlet_pl.cli import main

if __name__ == "__main__":
    main()
