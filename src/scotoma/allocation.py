"""How is large memory handed out on the CPU, and why not as the system would?

glibc gives every large tensor back to the system when it is freed, so the next one is page-faulted anew: that
costs 2 to 7 times on this library's tensors. Keeping freed memory in the process avoids it; the peak is up to
twice as high.
"""

import ctypes
import os
import platform
import sys

SWITCH = "SCOTOMA_MALLOC"

# From glibc's <malloc.h>.
_M_TRIM_THRESHOLD = -1
_M_TOP_PAD = -2
_M_MMAP_MAX = -4
_TOP_PAD_BYTES = 256 * 2**20


def tune_allocator() -> bool:
    """Let glibc keep freed memory and take it in large steps. Call it before torch is imported.

    Does nothing elsewhere than on Linux with glibc, or when the environment says SCOTOMA_MALLOC=0.

    Returns:
        True when glibc accepted all three settings.
    """
    if os.environ.get(SWITCH) == "0" or not sys.platform.startswith("linux"):
        return False
    if platform.libc_ver()[0] != "glibc":
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    mallopt.argtypes = (ctypes.c_int, ctypes.c_int)
    mallopt.restype = ctypes.c_int
    # No separate mappings for large blocks; never trim the heap; grow it by 256 MiB.
    wanted = ((_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, -1), (_M_TOP_PAD, _TOP_PAD_BYTES))
    return all([mallopt(option, value) == 1 for option, value in wanted])
