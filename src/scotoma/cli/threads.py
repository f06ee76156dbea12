"""On how many processor cores does a verb compute? On all that it may use, or as OMP_NUM_THREADS says."""

import os


def use_cores() -> int:
    """Give torch one thread for each core of this process, or as many as the environment says.

    Returns:
        The number of threads.
    """
    import torch

    from scotoma.runs.threads import cores

    if not os.environ.get("OMP_NUM_THREADS"):
        torch.set_num_threads(cores())
    return torch.get_num_threads()
