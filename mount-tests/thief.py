#!/usr/bin/env python3
"""Takes a request away from the server of a mount: nobody answers it.

    thief.py PID

Stops the server PID and says "stopped"; at the first line on its input it
reads one request from the server's /dev/fuse, says "stole OPCODE", and lets the
server go on.
"""

import ctypes
import os
import select
import signal
import struct
import sys

PIDFD_GETFD = 438

pid = int(sys.argv[1])
libc = ctypes.CDLL(None, use_errno=True)


def duplicate(path):
    """The server's descriptor of a file."""
    for name in os.listdir(f"/proc/{pid}/fd"):
        if os.readlink(f"/proc/{pid}/fd/{name}") == path:
            pidfd = os.pidfd_open(pid)
            fd = libc.syscall(PIDFD_GETFD, pidfd, int(name), 0)
            if fd < 0:
                raise OSError(ctypes.get_errno(), "pidfd_getfd")
            return fd
    raise SystemExit(f"{pid} has no {path}")


device = duplicate("/dev/fuse")
os.kill(pid, signal.SIGSTOP)
print("stopped", flush=True)
sys.stdin.readline()
select.select([device], [], [])
_, opcode = struct.unpack_from("<II", os.read(device, 1 << 20))
os.kill(pid, signal.SIGCONT)
print(f"stole {opcode}", flush=True)
