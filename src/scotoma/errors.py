"""What can go wrong, and whose doing is it?"""


class ScotomaError(Exception):
    """Base of every error that Scotoma raises on purpose. The command line prints it and exits with 1."""


class InputError(ScotomaError):
    """A user's mistake: says what came, what is allowed and what to do. The command line exits with 2.

    Of very many problems it says the first ones; `every` is the message with all of them.
    """

    def __init__(self, said: str, every: str = "") -> None:
        super().__init__(said)
        self.every = every or said


# How the message of every TimeLimitReached begins: by this a sweep tells it from a failure of a cell.
TIME_IS_UP = "The time limit is reached"


class TimeLimitReached(ScotomaError):
    """The time that a run was given is over, which is no failure: says how far it is, and how to go on."""


class TrainingStopped(ScotomaError):
    """Training cannot go on (a value that is not finite, a collapsed encoder): says what to change."""
