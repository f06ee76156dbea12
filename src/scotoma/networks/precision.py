"""In which numbers are convolutions computed fastest on this machine?"""

import torch


def multiplies_in_bf16() -> bool:
    """Whether the processor itself multiplies in bf16 (AVX-512 BF16, AMX, or the BF16 extension of ARM).

    Where it does not, torch emulates bf16: measured on a processor with AVX2 only, a convolution takes ten
    times as long as in fp32 and a product of matrices seventy times.
    """
    told = torch.cpu.get_capabilities()
    return any(told.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16"))
