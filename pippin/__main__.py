"""`python -m pippin` is `pippin`."""

from pippin.cli import main

main()
