import torch
from torch import nn

from scotoma.networks.running_average import RunningAverage


def test_the_average_is_the_one_written_out() -> None:
    """Weights, and statistics of normalisation, of a network that changes after its average was made."""
    network = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    average = RunningAverage(network)
    expected = {name: tensor.double().clone() for name, tensor in network.state_dict().items()}
    for updates in range(1, 2000, 7):
        with torch.no_grad():
            for tensor in network.state_dict().values():
                tensor.add_(1)
        average.update(updates)
        share = 1 - min(0.99, updates / (updates + 9))
        for name, tensor in network.state_dict().items():
            expected[name] = (1 - share) * expected[name] + share * tensor.double()
    for name, tensor in average.network.state_dict().items():
        if tensor.is_floating_point():  # counts of batches are left as they were
            assert torch.allclose(tensor.double(), expected[name], rtol=1e-4), name
    assert not any(parameter.requires_grad for parameter in average.network.parameters())
    assert all(parameter.requires_grad for parameter in network.parameters())
