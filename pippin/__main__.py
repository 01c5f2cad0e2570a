"""Run the command line: `python -m pippin` does the same as `pippin`."""

from pippin.cli import main

main()
