"""Prefect flows and the command line: thin, they call the rest."""
