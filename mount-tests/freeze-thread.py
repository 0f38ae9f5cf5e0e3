#!/usr/bin/env python3
"""Stops the main thread of a process and no other one.

    freeze-thread.py PID

Says "frozen", and lets the thread go on when its input ends.
"""

import ctypes
import os
import sys

PTRACE_SEIZE, PTRACE_INTERRUPT = 0x4206, 0x4207
WALL = 0x40000000

pid = int(sys.argv[1])
libc = ctypes.CDLL(None, use_errno=True)
for request in (PTRACE_SEIZE, PTRACE_INTERRUPT):
    if libc.ptrace(request, pid, None, None) < 0:
        raise OSError(ctypes.get_errno(), "ptrace")
os.waitpid(pid, WALL)
print("frozen", flush=True)
sys.stdin.read()
