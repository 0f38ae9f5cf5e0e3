#!/usr/bin/env python3
"""Mounts a directory once more, with its owners moved up by 500,000.

    idmap.py SOURCE TARGET

What `mount -o X-mount.idmap` does where mount(8) is new enough.
"""

import ctypes
import os
import signal
import sys

CLONE_NEWUSER = 0x10000000
SYS_OPEN_TREE, SYS_MOVE_MOUNT, SYS_MOUNT_SETATTR = 428, 429, 442
AT_FDCWD, AT_EMPTY_PATH = -100, 0x1000
OPEN_TREE_CLONE, OPEN_TREE_CLOEXEC = 1, 0o2000000
MOVE_MOUNT_F_EMPTY_PATH = 4
MOUNT_ATTR_IDMAP = 0x00100000

libc = ctypes.CDLL(None, use_errno=True)
source, target = (path.encode() for path in sys.argv[1:3])


class MountAttr(ctypes.Structure):
    _fields_ = [
        (name, ctypes.c_uint64)
        for name in ("attr_set", "attr_clr", "propagation", "userns_fd")
    ]


def check(result, what):
    if result < 0:
        number = ctypes.get_errno()
        raise SystemExit(f"{what}: {os.strerror(number)}")
    return result


def namespace():
    """A user namespace in which 0 is 500,000; its descriptor."""
    ready, done = os.pipe()
    pid = os.fork()
    if pid == 0:
        check(libc.unshare(CLONE_NEWUSER), "unshare")
        os.write(done, b"x")
        signal.pause()
    os.read(ready, 1)
    for kind in ("uid", "gid"):
        with open(f"/proc/{pid}/{kind}_map", "w") as ids:
            ids.write("0 500000 65536")
    fd = os.open(f"/proc/{pid}/ns/user", os.O_RDONLY)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return fd


tree = check(
    libc.syscall(
        SYS_OPEN_TREE, AT_FDCWD, source, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC
    ),
    "open_tree",
)
attr = MountAttr(MOUNT_ATTR_IDMAP, 0, 0, namespace())
check(
    libc.syscall(
        SYS_MOUNT_SETATTR, tree, b"", AT_EMPTY_PATH, ctypes.byref(attr),
        ctypes.sizeof(attr),
    ),
    "mount_setattr",
)
check(
    libc.syscall(
        SYS_MOVE_MOUNT, tree, b"", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH
    ),
    "move_mount",
)
