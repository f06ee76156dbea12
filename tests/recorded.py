"""A progress that can be asked afterwards."""


class Recorded:
    """Remembers what it was told: where a step begins and ends, and how many units are done."""

    def __init__(self) -> None:
        self.told: list[object] = []
        self.done = 0

    def start(self, description: str, total: int) -> None:
        self.told.append((description, total))

    def advance(self, n: int = 1, **figures: float | str) -> None:
        self.done += n

    def stop(self) -> None:
        self.told.append("stop")
