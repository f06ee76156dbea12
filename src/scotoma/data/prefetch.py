"""Who makes the next batch while this one is used? One thread beside the loop, one batch ahead."""

from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

import torch

from scotoma.data.sampling import Batch, Batches


class Prefetched:
    """The same batches under the same numbers as `batches`; the one after the last that was asked for is
    already in the making. Use it in a `with` block, which ends the thread.
    """

    def __init__(self, batches: Batches) -> None:
        self._batches = batches
        self._next: tuple[int, Future[Batch]] | None = None
        # One thread of computation in it, or it would fight with the loop for every core.
        self._threads = torch.get_num_threads()
        self._worker = ThreadPoolExecutor(1, "batches", initializer=torch.set_num_threads, initargs=(1,))

    def at(self, number: int) -> Batch:
        """Batch `number`, sooner when it follows the one before."""
        expected, future = self._next or (None, None)
        batch = future.result() if future and number == expected else self._batches.at(number)
        self._next = number + 1, self._worker.submit(self._batches.at, number + 1)
        return batch

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the thread; the batch that nobody will ask for is dropped."""
        self._worker.shutdown(cancel_futures=True)
        # Threads that start later take their number from the last call, whichever thread made it.
        torch.set_num_threads(self._threads)
