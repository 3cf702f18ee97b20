"""`python -m pipelines` is the command `bancast`."""

from pipelines.cli import main

main()
