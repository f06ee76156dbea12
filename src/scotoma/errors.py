"""What can go wrong, and whose doing is it?"""


class ScotomaError(Exception):
    """Base of every error that Scotoma raises on purpose. The command line prints it and exits with 1."""


class InputError(ScotomaError):
    """A user's mistake: says what came, what is allowed and what to do. The command line exits with 2."""


class TrainingStopped(ScotomaError):
    """Training cannot go on (a value that is not finite, a collapsed encoder): says what to change."""
