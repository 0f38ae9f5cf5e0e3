"""What systemd does for a service with a descriptor store, in a few lines.

    service-manager.py NOTIFY_SOCKET COMMAND...

Keeps the descriptors that the service sends (FDSTORE=1) and gives them back
when it starts the service again; "ready N" is printed when the service says
READY=1 with N descriptors kept. "kill" on standard input kills all processes
of the service, as a crash of its control group would.
Protocol: sd_notify(3), sd_listen_fds(3).
"""

import glob
import json
import os
import selectors
import signal
import socket
import sys

notify_path, command = sys.argv[1], sys.argv[2:]
notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
notify.bind(notify_path)
store = {}


def start():
    kept = dict(store)
    pid = os.fork()
    if pid:
        return pid
    os.environ["NOTIFY_SOCKET"] = notify_path
    if kept:
        os.environ["LISTEN_PID"] = str(os.getpid())
        os.environ["LISTEN_FDS"] = str(len(kept))
        os.environ["LISTEN_FDNAMES"] = ":".join(kept)
        # Out of the way first: they may stand where others are to go.
        high = [os.dup(os.dup(fd)) for fd in kept.values()]
        for target, fd in enumerate(high, 3):
            os.dup2(fd, target, inheritable=True)
    os.execv(command[0], command)


def on_message():
    text, fds, _flags, _address = socket.recv_fds(notify, 4096, 8)
    words = dict(
        line.split("=", 1) for line in text.decode().split("\n") if "=" in line
    )
    if words.get("FDSTORE") == "1":
        store[words["FDNAME"]] = fds[0]
    if words.get("FDSTOREREMOVE") == "1" and words["FDNAME"] in store:
        os.close(store.pop(words["FDNAME"]))
    if words.get("READY") == "1":
        print("ready", len(store), flush=True)


def kill_all(child):
    pids = [child]
    for path in glob.glob("/run/dendro/*/server.json"):
        with open(path) as file:
            state = json.load(file)
        if state["repository"] == os.environ["DENDRO_REPO"]:
            pids += [state["pid"], state["keeperPid"]]
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for pid in pids:
            os.kill(pid, number)


child = start()
wake_read, wake_write = os.pipe()
os.set_blocking(wake_write, False)
signal.set_wakeup_fd(wake_write)
signal.signal(signal.SIGCHLD, lambda *_: None)
selector = selectors.DefaultSelector()
for source in (notify, sys.stdin, wake_read):
    selector.register(source, selectors.EVENT_READ)
while True:
    for key, _events in selector.select():
        if key.fileobj is notify:
            on_message()
        elif key.fileobj is sys.stdin:
            if sys.stdin.readline() == "":
                selector.unregister(sys.stdin)
            else:
                kill_all(child)
        else:
            os.read(wake_read, 100)
            pid, status = os.waitpid(child, os.WNOHANG)
            if pid == 0:
                continue
            if os.WIFEXITED(status):
                sys.exit(os.WEXITSTATUS(status))
            child = start()
