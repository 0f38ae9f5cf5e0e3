"""Runs a keeper over a server whose main thread ends while another lives.

    python3 headless-server.py KEEPER DIRECTORY

Such a server is what SIGKILL leaves of one with a thread that sleeps in the
kernel on a page: a zombie whose process descriptor stays silent. The servers
here only speak the keeper's lines (docs/reliability.md). Prints the types of
the events until a new server serves.
"""

import ctypes
import json
import os
import platform
import socket
import subprocess
import sys
import threading
import time

KEEPER, DIRECTORY = sys.argv[1:3]
SYS_EXIT = {"x86_64": 60, "aarch64": 93}[platform.machine()]
EVENTS = f"{DIRECTORY}/events"

NEXT = f"""#!/bin/sh
exec python3 -c '
import os
os.write(5, b"standby\\n")
assert os.read(5, 100) == b"serve\\n"
os.write(5, b"serving\\n")
os.read(5, 100)
'
"""


def end_main_thread(sock):
    """Runs in the child: it keeps the socket, as a killed server's threads do."""
    threading.Thread(target=time.sleep, args=(60,)).start()
    ctypes.CDLL(None).syscall(SYS_EXIT, 0)


ours, theirs = socket.socketpair()
server = os.fork()
if server == 0:
    ours.close()
    end_main_thread(theirs)
theirs.close()

with open(f"{DIRECTORY}/next", "w") as program:
    program.write(NEXT)
os.chmod(f"{DIRECTORY}/next", 0o755)
state = os.memfd_create("state")
os.ftruncate(state, 8192)
events = os.open(EVENTS, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
null = os.open("/dev/null", os.O_RDWR)
# Copies above the numbers that the keeper wants, so that none is overwritten.
high = [os.dup2(fd, 20 + i) for i, fd in enumerate([null, state, ours.fileno(), events])]


def place():
    for i, fd in enumerate(high):
        os.dup2(fd, 3 + i)


keeper = subprocess.Popen(
    [KEEPER, DIRECTORY, str(server), "0", f"{DIRECTORY}/next", "unused"],
    preexec_fn=place,
    close_fds=False,
)
types = []
until = time.monotonic() + 10
while "server-restarted" not in types and time.monotonic() < until:
    time.sleep(0.05)
    with open(EVENTS) as file:
        types = [json.loads(line)["type"] for line in file]
print(" ".join(types))
keeper.kill()
os.kill(server, 9)
