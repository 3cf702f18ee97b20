"""The one error a user is meant to read."""

from __future__ import annotations


class BadInput(Exception):
    """Input, a setting or a state of the home that the user has to change.

    The message is one line that names the file, the column, the rule and what to do.
    The command line prints it without a traceback and exits with status 2.
    """
