#!/usr/bin/env python3
"""Asks a mount for all kinds of things while others read large files cold.

    storm.py DIRECTORY ROUNDS

DIRECTORY holds `small` and large files f0, f1, ... that are to be read; beside
it stands `sums`, as sha256sum prints it. Prints "N rounds, M passes, K killed"
when every read had the right bytes.
"""

import errno
import fcntl
import hashlib
import os
import random
import signal
import subprocess
import sys

TCGETS = 0x5401
FS_IOC_GETFLAGS = 0x80086601
ASKERS = 4
# Read before the caches are dropped again.
CHUNK = 1 << 20

directory, rounds = sys.argv[1], int(sys.argv[2])
small = f"{directory}/small"


def refused(request, allowed):
    try:
        request()
    except OSError as error:
        if error.errno not in allowed:
            raise


def ask(number, count):
    """Ioctls, lookups of absent and of present names, attributes; signals beside."""
    signal.signal(signal.SIGALRM, lambda *_: None)
    signal.setitimer(signal.ITIMER_REAL, 0.003, 0.003)
    fd = os.open(small, os.O_RDONLY)
    room = b"\0" * 64
    requests = (
        lambda i: refused(lambda: fcntl.ioctl(fd, TCGETS, room), [errno.ENOTTY]),
        lambda i: refused(
            lambda: fcntl.ioctl(fd, FS_IOC_GETFLAGS, room),
            [errno.ENOTTY, errno.EOPNOTSUPP],
        ),
        lambda i: refused(
            lambda: os.stat(f"{directory}/absent-{number}-{i}"), [errno.ENOENT]
        ),
        lambda i: os.statvfs(directory),
    )
    for i in range(count):
        requests[i % len(requests)](i)


def read(name, expected):
    """Reads a file cold, over and over; ends with the passes when it is told to."""
    passes = 0
    stop = []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(True))
    while not stop:
        fd = os.open(f"{directory}/{name}", os.O_RDONLY)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        digest = hashlib.sha256()
        while data := os.read(fd, CHUNK):
            digest.update(data)
        os.close(fd)
        if digest.hexdigest() != expected:
            raise SystemExit(f"{name} has other bytes")
        passes += 1
    os.write(passes_out, f"{passes}\n".encode())


def kill(name):
    """Starts readers and kills them in the middle."""
    stop = []
    killed = 0
    signal.signal(signal.SIGTERM, lambda *_: stop.append(True))
    while not stop:
        reader = subprocess.Popen(
            ["cat", f"{directory}/{name}"], stdout=subprocess.DEVNULL
        )
        signal.sigtimedwait([signal.SIGUSR1], random.uniform(0.001, 0.02))
        reader.kill()
        reader.wait()
        killed += 1
    os.write(kills_out, f"{killed}\n".encode())


def start(work, *arguments):
    pid = os.fork()
    if pid == 0:
        try:
            work(*arguments)
        except BaseException as error:
            print(f"{work.__name__}: {error!r}", file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    return pid


def end(pids):
    for pid in pids:
        if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) != 0:
            raise SystemExit("one of them failed")


passes_in, passes_out = os.pipe()
kills_in, kills_out = os.pipe()
with open(f"{directory}/../sums") as sums:
    files = [line.split() for line in sums]
readers = [start(read, name, expected) for expected, name in files]
readers += [start(kill, name) for _, name in files[:2]]
end([start(ask, number, rounds // ASKERS) for number in range(ASKERS)])
for pid in readers:
    os.kill(pid, signal.SIGTERM)
end(readers)
os.close(passes_out)
os.close(kills_out)
counts = [
    sum(map(int, open(pipe).read().split())) for pipe in (passes_in, kills_in)
]
print(f"{rounds} rounds, {counts[0]} passes, {counts[1]} killed")
