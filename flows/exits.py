"""Exit codes of the command line."""

FINE = 0
"""Every item is finished or parked."""
UNEXPECTED = 1
"""The disk, a model, a server, or a fault of ours."""
WRONG_INPUT = 2
"""The recipe, the catalog as a whole, or the command is wrong."""
SOME_FAILED = 3
"""The batch ended, and some of its items failed."""
INTERRUPTED = 130
"""Ctrl-C, as shells number it."""

EPILOG = "Exit codes: 0 all finished or parked, 1 unexpected, 2 recipe or catalog wrong, 3 some items failed."
