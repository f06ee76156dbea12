import threading

import pytest
import torch

from scotoma.data.prefetch import Prefetched
from scotoma.data.sampling import Batch, Batches
from tests.data.test_sampling import batches


def same(one: Batch, other: Batch) -> bool:
    return torch.equal(one.images, other.images) and all(map(torch.equal, one.labels, other.labels))


def test_batches_are_those_of_their_numbers_in_order_or_not() -> None:
    with Prefetched(batches()) as ahead:
        for number in (0, 1, 2, 7, 8, 3, 3):
            assert same(ahead.at(number), batches().at(number))


def test_the_next_batch_is_made_in_a_thread_that_ends_with_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[tuple[int, str]] = []
    real = Batches.at

    def noted(self: Batches, number: int) -> Batch:
        made.append((number, threading.current_thread().name))
        return real(self, number)

    monkeypatch.setattr(Batches, "at", noted)
    threads = torch.get_num_threads()
    with Prefetched(batches()) as ahead:
        ahead.at(4)
        ahead.at(5)
        ahead.at(6)
    assert [number for number, _ in made][:3] == [4, 5, 6]
    assert made[0][1] == "MainThread" and all(name.startswith("batches") for _, name in made[1:])
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("batches")]
    assert torch.get_num_threads() == threads


def test_what_goes_wrong_ahead_is_raised_when_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Batches.at

    def broken(self: Batches, number: int) -> Batch:
        if number == 1:
            raise OSError("the disk is gone")
        return real(self, number)

    monkeypatch.setattr(Batches, "at", broken)
    with Prefetched(batches()) as ahead:
        ahead.at(0)
        with pytest.raises(OSError, match="the disk is gone"):
            ahead.at(1)
