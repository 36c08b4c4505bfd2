"""PostgreSQL under Patroni on etcd, as contrib/directory/ha sets it up, on loopback: each member is what would be a machine,
with an etcd, a Patroni and the PostgreSQL that Patroni starts."""

import json
import os
import pathlib
import secrets
import shutil
import signal
import tempfile
import time
import urllib.request

from postgresql import NOT_ROOT, Unavailable, peers
from process import ROOT, Failed, Process, free_ports, poll

HA = ROOT / "contrib" / "directory" / "ha"


def _kill9(pid):
    """With its children: of one that had its own, PostgreSQL's, no kernel takes care."""
    try:
        children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return
    for one in (pid, *map(int, children)):
        try:
            os.kill(one, signal.SIGKILL)
        except ProcessLookupError:
            pass


class Member:
    def __init__(self, cluster, name, ports):
        self.cluster, self.name, self.folder = cluster, name, cluster.folder / name
        self.etcd_port, self.etcd_peer_port, self.patroni_port, self.port = ports
        self.etcd = self.patroni = None
        self.folder.mkdir(parents=True)

    def start_etcd(self):
        me, peer = f"http://127.0.0.1:{self.etcd_port}", f"http://127.0.0.1:{self.etcd_peer_port}"
        everyone = ",".join(f"{m.name}=http://127.0.0.1:{m.etcd_peer_port}" for m in self.cluster.members)
        self.etcd = Process(["etcd", "--name", self.name, "--data-dir", self.folder / "etcd", "--listen-client-urls", me,
                             "--advertise-client-urls", me, "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
                             "--initial-cluster", everyone, "--initial-cluster-state", "new", "--logger", "zap", "--log-level", "error",
                             "--heartbeat-interval", "250", "--election-timeout", "2500"],
                            self.folder / "etcd.log", env=self.cluster.environment)

    def start_patroni(self):
        words = {"NODE": self.name, "ADDRESS": "127.0.0.1", "NETWORK": "127.0.0.1/32", "PATRONI_PORT": self.patroni_port,
                 "POSTGRESQL_PORT": self.port, "DATA": self.folder / "data", "BIN": self.cluster.bin, "SOCKETS": self.cluster.sockets,
                 "ETCD_HOSTS": ",".join(f"127.0.0.1:{m.etcd_port}" for m in self.cluster.members),
                 "MAKE_DATABASE": HA / "make-database", **self.cluster.passwords}
        text = (HA / "patroni.yml").read_text()
        for word, value in words.items():
            text = text.replace(f"@{word}@", str(value))
        (self.folder / "patroni.yml").write_text(text)
        self.patroni = Process([*NOT_ROOT, "/usr/bin/python3", "-m", "patroni", self.folder / "patroni.yml"], self.folder / "patroni.log",
                               env=self.cluster.environment, name="patroni")

    def ask(self):
        """What Patroni says of it: {role, state, …}; {} when it doesn't answer."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.patroni_port}/patroni", timeout=2) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            return json.load(error)
        except OSError:
            return {}

    def postmaster(self):
        try:
            return int((self.folder / "data" / "postmaster.pid").read_text().split()[0])
        except (OSError, IndexError):
            return None

    def kill9(self):
        """The machine is gone: nothing on it gets to say good-bye."""
        postmaster = self.postmaster()
        for process in (self.patroni, self.etcd):
            process.kill9()
        if postmaster:
            _kill9(postmaster)

    def stop(self):
        if self.patroni:
            self.patroni.stop(20)
        if postmaster := self.postmaster():
            _kill9(postmaster)
        if self.etcd:
            self.etcd.stop()


class Cluster:
    """`url` is what directoryd is given. Use as a context: it ends what it began."""

    def __init__(self, folder, count=3):
        self.folder = pathlib.Path(folder)
        tree, self.environment = peers()
        self.bin = tree / "usr/lib/postgresql/15/bin"
        if not (tree / "usr/lib/python3/dist-packages/patroni").is_dir():
            raise Unavailable("Patroni isn't among the programs of contrib/deps/peers")
        self.passwords = {f"{role}_PASSWORD": secrets.token_hex(8) for role in ("SUPERUSER", "REPLICATOR", "REWINDER")}
        password = secrets.token_hex(8)
        self.environment |= {"PYTHONPATH": str(tree / "usr/lib/python3/dist-packages"), "DIRECTORY_PASSWORD": password}
        ports = free_ports(4 * count)
        self.members = [Member(self, f"db{i + 1}", ports[4 * i:4 * i + 4]) for i in range(count)]
        hosts = ",".join(f"127.0.0.1:{m.port}" for m in self.members)
        self.url = f"postgresql://directory:{password}@{hosts}/directory"

    def __enter__(self):
        self.sockets = tempfile.mkdtemp(prefix="zos-ha-")
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _start(self):
        for member in self.members:
            member.start_etcd()
        for member in self.members:
            member.start_patroni()
            if member is self.members[0]:
                poll(lambda: self.leader(), 60, "the first member to lead", 0.5, self._must_live)
        self.wait_synchronous(120)

    def _must_live(self):
        for member in self.members:
            for process in (member.etcd, member.patroni):
                if process and not process.alive:
                    raise Failed(f"{process.name} of {member.name} ended: {process.output()[-2000:]}")

    def __exit__(self, *_):
        for member in self.members:
            member.stop()
        shutil.rmtree(self.sockets, ignore_errors=True)

    def leader(self):
        """The member that takes writes; None for now."""
        return next((m for m in self.members if m.ask().get("role") in ("master", "primary") and m.ask().get("state") == "running"), None)

    def wait_synchronous(self, seconds):
        """Until there is a primary with a synchronous standby."""
        poll(lambda: any(m.ask().get("sync_standby") for m in self.members), seconds, "a synchronous standby", 0.5)
