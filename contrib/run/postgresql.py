#!/usr/bin/python3
"""A PostgreSQL of one's own for a test or a benchmark: made by initdb in a temporary folder, with fsync on, on a Unix socket
and a loopback port, gone at the end. The programs are those that contrib/deps/peers unpacks.

As a program: `contrib/run/postgresql.py` prints the URL of an empty database, and serves until its input ends. When it can't
run here it says why on stderr and exits 77."""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from process import ROOT, Failed, Process, free_port  # noqa: E402

# PostgreSQL refuses to run as root: a user namespace in which we are nobody is enough for it, and our files stay ours.
NOT_ROOT = ["unshare", "--user", "--map-user=65534", "--map-group=65534"] if os.geteuid() == 0 else []
SETTINGS = {"fsync": "on", "full_page_writes": "on", "shared_buffers": "128MB", "max_connections": "60", "log_min_messages": "warning"}


class Unavailable(Exception):
    """PostgreSQL can't be run on this machine; the text says why."""


def peers():
    """The folder of the unpacked programs, and the environment to run them in."""
    found = subprocess.run([ROOT / "contrib" / "deps" / "peers"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if found.returncode != 0:
        raise Unavailable(f"PostgreSQL isn't there: {(found.stderr.strip().splitlines() or ['contrib/deps/peers failed'])[-1]}")
    folder = pathlib.Path(found.stdout.strip())
    path = f"{folder}/usr/lib/postgresql/15/bin:{folder}/usr/bin:{os.environ['PATH']}"
    return folder, dict(os.environ, PATH=path, LD_LIBRARY_PATH=f"{folder}/usr/lib/x86_64-linux-gnu", LC_ALL="C")


class PostgreSQL:
    """One server. `url` names its database `directory`; `psql` asks it."""

    def __init__(self, folder, settings=None):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.data, self.log = self.folder / "data", self.folder / "postgresql.log"
        self.peers, self.environment = peers()
        self.settings, self.process = {**SETTINGS, **(settings or {})}, None
        self.port = free_port()
        self.url = f"postgresql://directory@127.0.0.1:{self.port}/postgres"
        made = self.run("initdb", "-D", self.data, "-U", "directory", "--auth=trust", "-E", "UTF8", "--locale=C", "-N")
        if made.returncode != 0:
            raise Unavailable(f"PostgreSQL's initdb: {(made.stderr or made.stdout).strip().splitlines()[-1]}")
        self.start()

    def run(self, *command, **options):
        return subprocess.run([*NOT_ROOT, *map(str, command)], env=self.environment, capture_output=True, text=True, **options)

    def start(self):
        self.sockets = tempfile.mkdtemp(prefix="zos-pg-")  # a socket's path has at most 107 bytes
        words = [f"-c{name}={value}" for name, value in self.settings.items()]
        self.process = Process([*NOT_ROOT, "postgres", "-D", self.data, "-p", self.port, "-h", "127.0.0.1", "-k", self.sockets, *words],
                               self.log, env=self.environment, name="postgres")
        end = time.monotonic() + 30
        while self.run("pg_isready", "-q", "-h", "127.0.0.1", "-p", self.port).returncode != 0:
            if not self.process.alive or time.monotonic() > end:
                raise Failed(f"PostgreSQL doesn't start: {self.process.output()}")
            time.sleep(0.05)

    def psql(self, sql):
        """The rows, columns apart by `|`; Failed when the server refuses."""
        asked = self.run("psql", "-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-d", self.url, "-c", sql)
        if asked.returncode != 0:
            raise Failed(f"psql: {asked.stderr.strip()}")
        return asked.stdout.strip().splitlines()

    def kill9(self):
        """As a loss of power would, but for what the kernel has yet to write: the postmaster and all its children."""
        children = pathlib.Path(f"/proc/{self.process.child.pid}/task/{self.process.child.pid}/children").read_text().split()
        self.process.kill9()
        for pid in children:
            try:
                os.kill(int(pid), 9)
            except ProcessLookupError:
                pass
        shutil.rmtree(self.sockets, ignore_errors=True)

    def stop(self):
        if self.process and self.process.alive:
            self.process.child.send_signal(2)  # SIGINT: sessions are ended, what is committed is kept
            self.process.wait_exit(20) or self.process.kill9()
        shutil.rmtree(self.sockets, ignore_errors=True)


def main():
    with tempfile.TemporaryDirectory(prefix="zos-postgresql-") as folder:
        try:
            server = PostgreSQL(folder)
        except Unavailable as why:
            print(why, file=sys.stderr)
            return 77
        print(server.url, flush=True)
        sys.stdin.read()
        server.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
