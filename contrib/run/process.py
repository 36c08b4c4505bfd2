"""Programs that the demo and the system stories start: each with its log file, ended by its process id, never left behind.

Nothing here needs a terminal. A child doesn't see the terminal's Ctrl-C (it has a session of its own): whoever started it
decides when and how it ends. Should this process die without a word, the kernel ends its children (PR_SET_PDEATHSIG).
"""

import atexit
import contextlib
import ctypes
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = ROOT / "build"

PR_SET_PDEATHSIG = 1  # linux/prctl.h
_libc = ctypes.CDLL(None)
_running = []


class Failed(Exception):
    """Something didn't happen that had to; the text says what, for the one who runs it."""


def program(name):
    """The host build of a program of ours."""
    path = BUILD / "bin" / name
    if not path.exists():
        raise Failed(f"{path} isn't there: run `make host`")
    return str(path)


def _in_child():
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class Process:
    """A running program; stdout and stderr go to `log` (appended to, so that a restart loses nothing)."""

    def __init__(self, command, log, *, env=None, cwd=None, pass_fds=(), name=None):
        self.name = name or pathlib.Path(command[0]).name
        self.log = pathlib.Path(log)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.log_start = self.log.stat().st_size if self.log.exists() else 0
        with open(self.log, "ab") as out:
            self.child = subprocess.Popen(
                [str(word) for word in command], stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=env, cwd=cwd,
                pass_fds=pass_fds, start_new_session=True, preexec_fn=_in_child)
        self.started = time.monotonic()
        _running.append(self)

    @property
    def alive(self):
        return self.child.poll() is None

    def output(self):
        """What it printed since this start."""
        with open(self.log, "rb") as file:
            file.seek(self.log_start)
            return file.read().decode("utf-8", "replace")

    def wait_exit(self, timeout):
        """True when it ended by itself within `timeout` seconds."""
        try:
            self.child.wait(timeout)
        except subprocess.TimeoutExpired:
            return False
        self._forget()
        return True

    def stop(self, timeout=10):
        """SIGTERM, then SIGKILL. Returns whether the first was enough."""
        if self.alive:
            self.child.terminate()
            if self.wait_exit(timeout):
                return True
            self.kill9()
            return False
        self._forget()
        return True

    def kill9(self):
        self.child.kill()
        self.child.wait()
        self._forget()

    def _forget(self):
        if self in _running:
            _running.remove(self)


def stop_all():
    """Ends all that is still running, the last started first."""
    for process in reversed(list(_running)):
        process.stop(5)


def _on_signal(number, _frame):
    raise SystemExit(128 + number)


atexit.register(stop_all)
signal.signal(signal.SIGTERM, _on_signal)
signal.signal(signal.SIGHUP, _on_signal)


def free_ports(count):
    """Ports of the loopback that nobody listens on now, all different: asked for one by one, a port may come twice."""
    with contextlib.ExitStack() as stack:
        listeners = [stack.enter_context(socket.socket()) for _ in range(count)]
        for listener in listeners:
            listener.bind(("127.0.0.1", 0))
        return [listener.getsockname()[1] for listener in listeners]


def free_port():
    return free_ports(1)[0]


def port_is_free(port):
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def poll(condition, timeout, what, every=0.1, alive=None):
    """Calls `condition` until it gives something true, and returns that. `alive` (optional) raises when waiting is vain."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if alive:
            alive()
        if time.monotonic() > end:
            raise Failed(f"waited {timeout:g} s in vain for {what}")
        time.sleep(every)


def cpu_s(pid):
    """Processor time of a process and its children, those that ended too."""
    seconds, folder = 0, pathlib.Path(f"/proc/{pid}")
    fields = (folder / "stat").read_text().rpartition(")")[2].split()
    seconds += sum(int(field) for field in fields[11:15]) / os.sysconf("SC_CLK_TCK")
    for task in (folder / "task").iterdir():
        for child in (task / "children").read_text().split():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has just ended: its parent's figures have it
                seconds += cpu_s(int(child))
    return seconds


def tail(path, count=30):
    """The last lines of a file, printable on a terminal."""
    try:
        text = pathlib.Path(path).read_bytes().decode("utf-8", "replace")
    except OSError:
        return "(no such file)"
    clean = "".join(c if c == "\n" or c.isprintable() else "·" for c in text.replace("\r", ""))
    return "\n".join(clean.splitlines()[-count:])


def say(text):
    print(text, flush=True)


def note(text):
    print(text, file=sys.stderr, flush=True)
