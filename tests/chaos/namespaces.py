"""Namespaces of the test's own: what is mounted or filtered in them nobody else sees, and it ends with the last process in them."""
import ctypes
import os

import lib

NEWNS, NEWNET = 0x00020000, 0x40000000
libc = ctypes.CDLL(None, use_errno=True)


def enter(flags):
    """From here on this thread, and all that it starts, is in new namespaces; skips the test where that is not allowed."""
    if libc.unshare(flags):
        raise lib.Skip(f"no namespaces of its own: {os.strerror(ctypes.get_errno())} (it takes root)")
