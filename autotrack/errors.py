"""What can't be done, told to people: the base of every error that autotrack raises on purpose."""

from __future__ import annotations


class AutotrackError(Exception):
    """The message names the thing and says what to do next."""

    exit_code = 1
    """What the command line exits with: 2 where the words of the command were wrong."""


class ModelError(AutotrackError):
    """The fitted model of a run can't be had."""
