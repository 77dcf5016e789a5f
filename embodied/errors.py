"""The one exception that means "the user can mend this"."""


class UserError(ValueError):
    """A mistake in what the user gave: one sentence with the offending value and the fix.

    The command line prints it without a traceback and exits with code 2.
    """
