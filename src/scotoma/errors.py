"""What can go wrong, and whose doing is it?"""


class ScotomaError(Exception):
    """Base of every error that Scotoma raises on purpose. The command line prints it and exits with 1."""


class InputError(ScotomaError):
    """A user's mistake: says what came, what is allowed and what to do. The command line exits with 2."""


# How the message of every TimeLimitReached begins: by this a sweep tells it from a failure of a cell.
TIME_IS_UP = "The time limit is reached"


class TimeLimitReached(ScotomaError):
    """The time that a run was given is over, which is no failure: says how far it is, and how to go on."""


class TrainingStopped(ScotomaError):
    """Training cannot go on (a value that is not finite, a collapsed encoder): says what to change."""
