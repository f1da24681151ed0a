"""`python -m loadtests.bench`."""

from loadtests.bench.cli import main

main(prog_name="python -m loadtests.bench")
