"""Which of the paper's statements on Table 2 (section 4.3) hold here? One pure function each, from grids of
measured cells (one a seed) to the numbers that are compared.

A difference is taken within each seed. Over several seeds its interval is Student's; of one seed it is that
over test images: paired where both attackers answered the same images, else from the two cells' own
intervals. Blurred images are attacked once: every seed's encoder is compared with that one figure, so the
interval over seeds is widened by the figure's own over test images.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean

from scipy.stats import spearmanr

from scotoma.experiments.grid import Grid, Measured
from scotoma.experiments.scales import LETTERS
from scotoma.experiments.statistics import Verdict, is_above_zero, t_interval, with_shared
from scotoma.verification.answers import paired_error
from scotoma.verification.statistics import Interval

# What "little to no difference" of section 4.3 is taken to be: points of balanced accuracy.
LITTLE = 0.05
_NORMAL = 1.959964  # half the width of a 95 % interval, in standard errors


@dataclass(frozen=True)
class Statement:
    """A statement, the difference that it says is above zero, with a 95 % interval, and what is compared."""

    name: str
    said: str
    verdict: Verdict
    difference: Interval | None = None
    numbers: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class _Estimate:
    value: float
    error: float


def every_statement(rows: Sequence[str], grids: Sequence[Grid]) -> tuple[Statement, ...]:
    """All statements that the rows of a scale allow."""
    found = [hides_more_than_blur(letter, grids) for letter in _generic(rows)]
    if len(_generic(rows)) > 1:
        found += [easier_is_harder(_generic(rows), grids), easier_costs_more(_generic(rows), grids)]
    for row in rows:
        hidden, kept = parse(row)
        if kept and f"-{hidden}" in rows:
            found.append(keeping_costs_little(row, grids))
            found += [keeping_helps(row, letter, grids) for letter in kept]
    for before, after in _chain(rows):
        found += [more_kept_more_useful(before, after, grids), more_kept_less_private(before, after, grids)]
    return tuple(found)


def parse(row: str) -> tuple[str, tuple[str, ...]]:
    """The hidden letter of a row and the kept ones."""
    words = {word[0]: tuple(word[1:].split(",")) for word in row.split()}
    return words["-"][0], words.get("+", ())


def hides_more_than_blur(letter: str, grids: Sequence[Grid]) -> Statement:
    """An encoder with a generic constraint hides its task better than blur does."""
    row = f"-{letter}"
    said = f"{row} hides {letter} more than blur does"
    return _compared(
        "hides more than blur",
        said,
        grids,
        lambda grid: _difference(grid, ("blur", letter), (row, letter)),
        {"blur": ("blur", letter), row: (row, letter)},
        shared=("blur", letter),
    )


def easier_is_harder(letters: Sequence[str], grids: Sequence[Grid]) -> Statement:
    """What is easier on original images is harder to hide: the half of the tasks with the higher accuracy
    there keeps the higher accuracy under its own generic encoders. (Halves, as the very easiest two may
    differ by a thousandth.)
    """

    def lead(grid: Grid) -> _Estimate | None:
        if (halves := _halves(letters, grid)) is None:
            return None
        easier, harder = ([_own(grid, letter) for letter in half] for half in halves)
        return _less(_mean(easier), _mean(harder))

    numbers: dict[str, float] = {}
    if complete := [grid for grid in grids if _halves(letters, grid) is not None]:
        clear = [fmean(grid["identity", each].test for grid in complete) for each in letters]
        own = [fmean(grid[f"-{each}", each].test for grid in complete) for each in letters]
        numbers = {f"-{each} on {each}": value for each, value in zip(letters, own, strict=True)}
        numbers |= {f"identity on {each}": value for each, value in zip(letters, clear, strict=True)}
        if len(set(clear)) > 1 and len(set(own)) > 1:
            numbers["rank correlation"] = float(spearmanr(clear, own).statistic)
    said = "tasks that are easier on original images are harder to hide"
    return _compared("easier is harder", said, grids, lead, {}, numbers)


def easier_costs_more(letters: Sequence[str], grids: Sequence[Grid]) -> Statement:
    """Hiding an easier task costs the other tasks more: the mean over all other tasks is lower under the
    encoders that hide the easier half.
    """

    def lead(grid: Grid) -> _Estimate | None:
        if (halves := _halves(letters, grid)) is None:
            return None
        means = [[_mean_over(grid, f"-{letter}", _but(letter)) for letter in half] for half in halves]
        easier, harder = ([mean for mean in half if mean is not None] for half in means)
        if len(easier) + len(harder) < sum(map(len, halves)):
            return None
        return _less(_mean(harder), _mean(easier))

    numbers = {}
    for letter in letters:
        means = [mean.value for grid in grids if (mean := _mean_over(grid, f"-{letter}", _but(letter)))]
        if means:
            numbers[f"-{letter} on the others"] = fmean(means)
    said = "hiding a task that is easier costs the other tasks more"
    return _compared("easier costs more", said, grids, lead, {}, numbers)


def keeping_costs_little(row: str, grids: Sequence[Grid]) -> Statement:
    """Naming a kept task makes the hidden one easier by less than `LITTLE`."""
    letter, _ = parse(row)

    def room(grid: Grid) -> _Estimate | None:
        found = _difference(grid, (f"-{letter}", letter), (row, letter))
        return None if found is None else _Estimate(found.value + LITTLE, found.error)

    said = f"{letter} is less than {100 * LITTLE:.0f} points easier under {row} than under -{letter}"
    cells = {f"-{letter}": (f"-{letter}", letter), row: (row, letter)}
    return _compared("keeping costs privacy little", said, grids, room, cells)


def keeping_helps(row: str, kept: str, grids: Sequence[Grid]) -> Statement:
    """A kept task is solved better than under the generic encoder that hides the same."""
    letter, _ = parse(row)
    return _compared(
        "keeping helps what is kept",
        f"{kept} is solved better under {row} than under -{letter}",
        grids,
        lambda grid: _difference(grid, (row, kept), (f"-{letter}", kept)),
        {row: (row, kept), f"-{letter}": (f"-{letter}", kept)},
    )


def more_kept_more_useful(before: str, after: str, grids: Sequence[Grid]) -> Statement:
    """Keeping more tasks raises the mean over tasks that are neither hidden nor kept in either row."""
    hidden, kept = parse(after)
    free = [letter for letter in LETTERS if letter not in (hidden, *kept, *parse(before)[1])]

    def gain(grid: Grid) -> _Estimate | None:
        steps = [_difference(grid, (after, letter), (before, letter)) for letter in free]
        known = [step for step in steps if step is not None]
        if not known or len(known) < len(free):
            return None
        return _mean(known)

    numbers = {}
    for row in (before, after):
        means = [mean.value for grid in grids if (mean := _mean_over(grid, row, free))]
        if means:
            numbers[row] = fmean(means)
    said = f"{after} leaves {', '.join(free)} more useful than {before}"
    return _compared("more kept, more useful", said, grids, gain, {}, numbers)


def more_kept_less_private(before: str, after: str, grids: Sequence[Grid]) -> Statement:
    """Keeping more tasks makes the hidden one easier by more than its label-only floor rises."""
    letter, _ = parse(after)

    def loss(grid: Grid) -> _Estimate | None:
        found = _difference(grid, (after, letter), (before, letter))
        if found is None:
            return None
        rise = grid[after, letter].floor - grid[before, letter].floor
        return _Estimate(found.value - rise, found.error)

    numbers: dict[str, float] = {}
    for row in (before, after):
        over = [grid[row, letter] for grid in grids if (row, letter) in grid]
        if over:
            numbers[f"{row} above its floor"] = fmean(cell.test - cell.floor for cell in over)
    said = f"{letter} is easier under {after} than under {before}, beyond the floor"
    return _compared("more kept, less private", said, grids, loss, {}, numbers)


def _compared(
    name: str,
    said: str,
    grids: Sequence[Grid],
    measure: Callable[[Grid], _Estimate | None],
    cells: Mapping[str, tuple[str, str]],
    numbers: Mapping[str, float] | None = None,
    shared: tuple[str, str] | None = None,
) -> Statement:
    """What is measured in each grid, with an interval over grids; `shared` is a cell that is the same in all,
    from which another is subtracted.
    """
    measured = [(grid, found) for grid in grids if (found := measure(grid)) is not None]
    estimates = [found for _, found in measured]
    difference = t_interval([found.value for found in estimates])
    if difference is not None and shared is not None:
        cell = next(grid[shared] for grid in grids if shared in grid)
        difference = with_shared(difference, Interval(cell.test, cell.low, cell.high))
    if len(estimates) == 1:
        value, half = estimates[0].value, _NORMAL * estimates[0].error
        difference = Interval(value, value - half, value + half)
    compared = dict(numbers or {})
    # What stands beside a difference is of the same seeds.
    beside = [grid for grid, _ in measured] or grids
    for shown, place in cells.items():
        if values := [grid[place].test for grid in beside if place in grid]:
            compared[shown] = fmean(values)
    return Statement(name, said, is_above_zero(difference), difference, compared)


def _generic(rows: Sequence[str]) -> list[str]:
    return [parse(row)[0] for row in rows if not parse(row)[1]]


def _chain(rows: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs of rows that hide the same, the second keeping what the first keeps and the fewest more."""
    kept = {row: set(parse(row)[1]) for row in rows if parse(row)[1]}
    pairs = []
    for before, names in kept.items():
        larger = [row for row, more in kept.items() if parse(row)[0] == parse(before)[0] and names < more]
        if larger:
            pairs.append((before, min(larger, key=lambda row: len(kept[row]))))
    return pairs


def _halves(letters: Sequence[str], grid: Grid) -> tuple[list[str], list[str]] | None:
    """The easier and the harder half by the accuracy on original images; one in the middle is in neither."""
    needed = [place for each in letters for place in (("identity", each), (f"-{each}", each))]
    if any(place not in grid for place in needed):
        return None
    ranked = sorted(letters, key=lambda each: -grid["identity", each].test)
    half = len(ranked) // 2
    return ranked[:half], ranked[-half:]


def _but(letter: str) -> list[str]:
    return [each for each in LETTERS if each != letter]


def _difference(grid: Grid, first: tuple[str, str], second: tuple[str, str]) -> _Estimate | None:
    if first not in grid or second not in grid:
        return None
    ours, theirs = grid[first], grid[second]
    if ours.answers is not None and theirs.answers is not None:
        error = paired_error(ours.answers, theirs.answers)
        if error is not None:
            return _Estimate(ours.test - theirs.test, error)
    return _unpaired(ours, theirs)


def _unpaired(first: Measured, second: Measured) -> _Estimate:
    return _less(_Estimate(first.test, _error(first)), _Estimate(second.test, _error(second)))


def _less(first: _Estimate, second: _Estimate) -> _Estimate:
    return _Estimate(first.value - second.value, math.hypot(first.error, second.error))


def _mean(estimates: Sequence[_Estimate]) -> _Estimate:
    """Of estimates whose errors are taken as independent."""
    error = math.sqrt(sum(each.error**2 for each in estimates)) / len(estimates)
    return _Estimate(fmean(each.value for each in estimates), error)


def _own(grid: Grid, letter: str) -> _Estimate:
    cell = grid[f"-{letter}", letter]
    return _Estimate(cell.test, _error(cell))


def _error(cell: Measured) -> float:
    return (cell.high - cell.low) / (2 * _NORMAL)


def _mean_over(grid: Grid, row: str, letters: Sequence[str]) -> _Estimate | None:
    """The mean accuracy of a row over some columns; None where one is missing."""
    cells = [grid[row, letter] for letter in letters if (row, letter) in grid]
    if not letters or len(cells) < len(letters):
        return None
    return _mean([_Estimate(cell.test, _error(cell)) for cell in cells])
