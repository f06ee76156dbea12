"""How many of what, in words?"""


def counted(number: int, noun: str) -> str:
    """A number with its noun: "1 seed", "1,000 seeds"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
