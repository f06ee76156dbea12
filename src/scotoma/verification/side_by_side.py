"""How do attacks share the cores? As many as there are workers run at a time, on one thread each."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from threading import Event
from typing import TypeVar

import torch

from scotoma.errors import TIME_IS_UP, TimeLimitReached

Item = TypeVar("Item")
Result = TypeVar("Result")


def side_by_side(
    work: Callable[[Item], Result],
    items: Sequence[Item],
    workers: int,
    stop: Event,
    *,
    deadline: float | None = None,
    noun: str = "attacks",
    before: int = 0,
) -> list[Result]:
    """The results of `work`, in the order of the items.

    Args:
        work: done in threads; what runs long looks at `stop` now and then and raises KeyboardInterrupt.
        items: what is to be done, in one queue, so that no core is idle while a long one ends.
        workers: how many are done at a time.
        stop: is set by Ctrl-C, by an error and by the deadline; what waits is never begun then.
        deadline: a reading of the monotonic clock, in seconds.
        noun: what items are called in the message of the deadline.
        before: how many of them were done before.

    Raises:
        TimeLimitReached: the deadline came first.
    """
    threads = torch.get_num_threads()
    with ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        futures = [pool.submit(work, item) for item in items]
        try:
            left = None if deadline is None else max(deadline - time.monotonic(), 0)
            ended, late = wait(futures, left, FIRST_EXCEPTION)
            for future in ended:
                future.result()  # raises what it raised, while others may still run
            if late:
                done, all_in_all = before + len(ended), before + len(futures)
                more = "" if ended else " It was too short for any of those left."
                raise TimeLimitReached(f"{TIME_IS_UP}: {done} of {all_in_all} {noun} have ended.{more}")
            return [future.result() for future in futures]
        except BaseException:
            stop.set()
            pool.shutdown(cancel_futures=True)
            raise
        finally:
            torch.set_num_threads(threads)
