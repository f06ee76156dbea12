"""What is written of a sweep? A table, the same as JSON, and the front as a picture."""

from collections.abc import Mapping, Sequence

from scotoma.experiments.artefact import MISSING, percent, table
from scotoma.experiments.cells import Places
from scotoma.experiments.same import require_same_images
from scotoma.experiments.statistics import Bounded, bounds, mean, mean_of_tasks, seeds_there
from scotoma.experiments.sweep import Sweep, SweepFound, SweepPoint, TaskFigures, collect
from scotoma.reports.front import Front, FrontPoint, FrontReference, Measure, alpha_text, draw_front
from scotoma.reports.verdict import guessing_said
from scotoma.runs.settings import to_dict
from scotoma.runs.whole_files import write_bytes, write_checked_json
from scotoma.runs.words import left_out
from scotoma.verification.statistics import Interval

FORMAT = "scotoma-sweep"
VERSION = 2


def write_sweep(
    sweep: Sweep, places: Places, command: str, failures: Mapping[str, str], skipped: Sequence[str] = ()
) -> str:
    """Collect what is there and write it as `OUT/sweep.json`, `.md`, `.png` and `.svg`.

    Args:
        sweep: what was asked.
        places: where it lies and goes.
        command: what the user typed, for the record.
        failures: why cells failed, by label.
        skipped: files that were left out, as they cannot be read.

    Returns:
        The Markdown.

    Raises:
        InputError: runs found different images; what was written before is left as it is.
    """
    require_same_images(sweep.cells(), places.out)
    found = collect(sweep, places, failures)
    asked = {name: value for name, value in to_dict(sweep).items() if name != "beside"}
    asked["categories"] = asked["categories"] or None
    content = {"format": FORMAT, "version": VERSION, "command": command, "data": places.data, **asked}
    content |= {"cells": to_dict(found)["points"], "references": to_dict(found)["references"]}
    content |= {"skipped": list(skipped)}
    write_checked_json(places.out / "sweep.json", content)
    text = markdown(sweep, found, skipped)
    write_bytes(places.out / "sweep.md", text.encode())
    front = front_of(sweep, found)
    write_bytes(places.out / "sweep.png", draw_front(front, "png"))
    write_bytes(places.out / "sweep.svg", draw_front(front, "svg"))
    return text


def markdown(sweep: Sweep, found: SweepFound, skipped: Sequence[str] = ()) -> str:
    """Every encoder in percent, with means where there are several seeds, and what was left out."""
    heads = ["alpha", "seed"]
    for task in sweep.hide:
        heads += [f"-{task} [95 %]", "floor", "in training"]
    heads += [f"+{task} [95 %]" for task in sweep.keep]
    rows = [
        [alpha_text(each.alpha), str(each.seed), *_entries(each.hidden, each.kept), _said(each)]
        for each in found.points
    ]
    for name, tasks in found.references.items():
        hidden, kept = ({task: tasks[task] for task in group} for group in (sweep.hide, sweep.keep))
        rows.append([name, str(sweep.seeds[0]), *_entries(hidden, kept, is_trained=False), _said_of(tasks)])
    lines = [
        f"# Sweep: hide {', '.join(sweep.hide)}, keep {', '.join(sweep.keep)}",
        "",
        f"Fresh attackers' test accuracy, balanced, in %: {_guessing(found)}, the floor is what the kept "
        "labels alone give. In training: the adversary of training, on validation images; it proves nothing. "
        "Intervals are over test images.",
        "",
        table([*heads, "state"], rows),
        *(_means(sweep, found) if len(sweep.seeds) > 1 else []),
        "The front is drawn in sweep.png and sweep.svg.",
        *([f"Images {left_out(skipped)}."] if skipped else []),
        "",
    ]
    return "\n".join(lines)


def front_of(sweep: Sweep, found: SweepFound) -> Front:
    """What is drawn: points with all their figures; the others are named."""
    points, absent = [], []
    for each in found.points:
        kept = _mean_kept(each.kept)
        for task, hidden in each.hidden.items():
            if (interval := _interval(hidden)) is not None and kept is not None:
                spread = _measure(interval)
                rising = _is_rising(hidden, each.kept)
                points.append(FrontPoint(task, each.alpha, each.seed, spread, _measure(kept), rising))
            else:
                absent.append(_absence(sweep, each, task))
    # Seeds divide the images each in its own way, so their floors differ a little.
    floors = {
        task: average
        for task in sweep.hide
        if (average := mean([each.hidden[task].floor for each in found.points])) is not None
    }
    return Front(sweep.hide, sweep.keep, tuple(points), _references(sweep, found), floors, tuple(absent))


def _is_rising(hidden: TaskFigures, kept: Mapping[str, TaskFigures]) -> bool:
    """Whether an attacker behind a point was still improving when its budget ended."""
    return any(each.state == "inconclusive" for each in (hidden, *kept.values()))


def _guessing(found: SweepFound) -> str:
    tasks = [{**point.hidden, **point.kept} for point in found.points]
    chances = {
        task: each.chance for point in tasks for task, each in point.items() if each.chance is not None
    }
    return guessing_said(chances)


def _entries(
    hidden: Mapping[str, TaskFigures], kept: Mapping[str, TaskFigures], is_trained: bool = True
) -> list[str]:
    entries = []
    for each in hidden.values():
        entries += [_spread(each), percent(each.floor), percent(each.in_training) if is_trained else ""]
    return [*entries, *(_spread(each) for each in kept.values())]


def _spread(each: TaskFigures) -> str:
    if each.test is None:
        return each.state
    rising = ", still rising" if each.state == "inconclusive" else ""
    return f"{percent(each.test)} [{percent(each.low)}, {percent(each.high)}]{rising}"


def _said(point: SweepPoint) -> str:
    # A bar would end the column.
    return f"{point.state}: {point.note}" if point.note else point.state


def _said_of(tasks: Mapping[str, TaskFigures]) -> str:
    states = {each.state for each in tasks.values()}
    return ", ".join(sorted(states))


def _means(sweep: Sweep, found: SweepFound) -> list[str]:
    rows = []
    for alpha in sweep.alphas:
        points = [each for each in found.points if each.alpha == alpha]
        tasks = [[each.hidden[task] for each in points] for task in sweep.hide]
        tasks += [[each.kept[task] for each in points] for task in sweep.keep]
        rows.append([alpha_text(alpha), *(_mean_text(seeds) for seeds in tasks)])
    heads = [
        "alpha",
        *(f"-{task} [95 %]" for task in sweep.hide),
        *(f"+{task} [95 %]" for task in sweep.keep),
    ]
    head = f"Means over {len(sweep.seeds)} seeds, with Student's interval over the seeds that are there:"
    return [head, "", table(heads, rows)]


def _mean_text(seeds: Sequence[TaskFigures]) -> str:
    there: list[Bounded] = [(each.test, each.low, each.high) for each in seeds]
    average = mean([each.test for each in seeds])
    if average is None:
        return MISSING
    low, high = bounds(there)
    # Student's interval knows no ends, accuracies do.
    low, high = (None if end is None else min(max(end, 0.0), 1.0) for end in (low, high))
    some = seeds_there([each.test for each in seeds])
    return f"{percent(average)} [{percent(low)}, {percent(high)}]{some}"


def _interval(each: TaskFigures) -> Interval | None:
    if each.test is None or each.low is None or each.high is None:
        return None
    return Interval(each.test, each.low, each.high)


def _mean_kept(kept: Mapping[str, TaskFigures]) -> Interval | None:
    """The mean over the kept tasks; None where one lacks, as a mean of others would not compare."""
    found = [interval for each in kept.values() if (interval := _interval(each)) is not None]
    return mean_of_tasks(found) if found and len(found) == len(kept) else None


def _measure(interval: Interval) -> Measure:
    return Measure(interval.estimate, interval.low, interval.high)


def _absence(sweep: Sweep, point: SweepPoint, task: str) -> str:
    seed = f", seed {point.seed}" if len(sweep.seeds) > 1 else ""
    of = f", -{task}" if len(sweep.hide) > 1 else ""
    return f"alpha {alpha_text(point.alpha)}{seed}{of} ({point.state})"


def _references(sweep: Sweep, found: SweepFound) -> tuple[FrontReference, ...]:
    drawn = []
    for name, tasks in found.references.items():
        of_kept = {task: tasks[task] for task in sweep.keep}
        kept = _mean_kept(of_kept)
        for task in sweep.hide:
            hidden = tasks[task]
            if kept is not None and hidden.test is not None:
                rising = _is_rising(hidden, of_kept)
                drawn.append(FrontReference(name, task, hidden.test, kept.estimate, rising))
    return tuple(drawn)
