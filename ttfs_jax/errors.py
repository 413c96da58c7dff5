"""The one error raised for input that the user can mend."""


class InputError(ValueError):
    """Say what is wrong with the input and how to mend it, in one line.

    Commands print the message without a traceback and exit with status 2.
    """
