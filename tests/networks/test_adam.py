import subprocess
import sys

import pytest
import torch
from torch import Tensor, nn

from scotoma.networks.adam import Adam

CODE = """
import sys
import torch
from torch import nn
from scotoma.networks.adam import Adam

network = nn.Linear(2, 1)
optimiser = Adam(network.parameters(), 0.1)
network(torch.ones(1, 2)).sum().backward()
optimiser.step()
assert float(network.bias.grad) == 1
print("torch._dynamo" in sys.modules)
"""


def network(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    made: nn.Sequential = nn.Sequential(
        nn.Conv2d(2, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(16, 3), nn.BatchNorm1d(3)
    )
    made.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return made


def batch(step: int) -> Tensor:
    return torch.randn(8, 2, 4, 4, generator=torch.Generator().manual_seed(step))


def test_steps_are_those_of_torch_bit_by_bit() -> None:
    ours, theirs = network(), network()
    optimiser, other = Adam(ours.parameters(), 0.0), torch.optim.Adam(theirs.parameters(), lr=0.0, fused=True)
    for step in range(20):
        optimiser.rate = other.param_groups[0]["lr"] = 1e-3 * (step + 1)
        for net, each in ((ours, optimiser), (theirs, other)):
            each.zero_grad()
            net(batch(step)).exp().sum().backward()
            each.step()
    for one, two in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(one, two)


def test_steps_are_the_formula() -> None:
    weight = nn.Parameter(torch.tensor([1.0, -2.0], dtype=torch.float64))
    optimiser = Adam([weight], 0.1)
    w, m, v = weight.detach().clone(), torch.zeros(2).double(), torch.zeros(2).double()
    for t in range(1, 6):
        optimiser.zero_grad()
        (weight**3).sum().backward()
        optimiser.step()
        g = 3 * w**2
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        w = w - 0.1 * m / (1 - 0.9**t) / ((v / (1 - 0.999**t)).sqrt() + 1e-8)
        torch.testing.assert_close(weight.detach(), w, atol=1e-12, rtol=1e-12)


def test_what_has_no_gradient_stays_as_it_is() -> None:
    used, unused = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(3))
    optimiser = Adam([unused, used], 0.1)
    used.sum().backward()
    optimiser.step()
    torch.testing.assert_close(used.detach(), torch.full((2,), 0.9))
    assert torch.equal(unused.detach(), torch.ones(3))
    assert {name: float(optimiser.state()[name]) for name in ("0.step", "1.step")} == {
        "0.step": 0,
        "1.step": 1,
    }


def test_it_goes_on_from_its_state() -> None:
    first = network()
    optimiser = Adam(first.parameters(), 0.01)

    def learn(net: nn.Module, each: Adam, steps: range) -> None:
        for step in steps:
            each.zero_grad()
            net(batch(step)).exp().sum().backward()
            each.step()

    learn(first, optimiser, range(3))
    second = network(seed=1)
    other = Adam(second.parameters(), 0.01)
    learn(second, other, range(5))
    second.load_state_dict(first.state_dict())
    other.load_state({name: tensor.clone() for name, tensor in optimiser.state().items()})
    learn(first, optimiser, range(3, 6))
    learn(second, other, range(3, 6))
    for one, two in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(one, two)
    other.load_state({})
    assert all(not tensor.any() for tensor in other.state().values())


def test_another_s_state_is_refused() -> None:
    optimiser = Adam([nn.Parameter(torch.ones(2))], 0.1)
    with pytest.raises(ValueError, match=r"^no moments of these parameters: 0\.exp_avg, 1\.step$"):
        optimiser.load_state(
            {"0.exp_avg": torch.zeros(3), "0.step": torch.zeros(()), "1.step": torch.zeros(())}
        )


def test_torch_s_compiler_is_not_loaded() -> None:
    said = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert said.stdout == "False\n"
