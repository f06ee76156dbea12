"""How do threads share a piece of work? As many as there are cores take some of it at a time, in order."""

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

from scotoma.runs.progress import Progress

CHUNK = 64

Result = TypeVar("Result")


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class Workers:
    """Who shares a piece of work: how many threads, how much each takes at a time, and what a thread
    does first of all.
    """

    threads: int = field(default_factory=cores)
    chunk: int = CHUNK
    prepare: Callable[[], object] | None = None


def in_threads(
    work: Callable[[range], Result],
    count: int,
    description: str,
    progress: Progress | None = None,
    workers: Workers | None = None,
) -> Iterator[Result]:
    """The results of `work`, in order, for one range of numbers below `count` after another.

    There is one thread a core by default: threads suffice because the decoders, the hash and torch release
    the interpreter's lock. They run only a few ranges ahead of the reader, so that a slow reader does not
    fill the memory.
    """
    workers = workers or Workers()
    ranges = (range(start, min(start + workers.chunk, count)) for start in range(0, count, workers.chunk))
    pool = ThreadPoolExecutor(workers.threads, "scotoma", workers.prepare)
    ahead: deque[tuple[int, Future[Result]]] = deque()
    if progress:
        progress.start(description, count)
    try:
        while True:
            while len(ahead) < 2 * workers.threads + 1 and (rows := next(ranges, None)) is not None:
                ahead.append((len(rows), pool.submit(work, rows)))
            if not ahead:
                return
            done, future = ahead.popleft()
            result = future.result()
            if progress:
                progress.advance(done)
            yield result
    finally:
        pool.shutdown(cancel_futures=True)
        if progress:
            progress.stop()
