"""`python -m sync` is `repairy-sync`."""

from sync.cli import main

main()
