#!/usr/bin/python3
"""The log before a client that others wrote: the Go team's sumdb/note and sumdb/tlog (tlog_client.go) read, verify and monitor a live
directoryd, its witnesses' cosignatures and a mirror of it, and find a log that was rewritten."""

import os
import pathlib
import shutil
import subprocess

import sodium
from grid import Directory, Principal, Witness
from story import Failed, check, need_program, run, skip, step
from process import BUILD, Process, poll, program

SUMDB = pathlib.Path("/usr/share/gocode/src/golang.org/x/mod/sumdb")
CLIENT = pathlib.Path(__file__).resolve().parent / "tlog_client.go"


def build_client():
    """The client's program, compiled with gccgo from Debian's package of the Go team's sources."""
    compiler = shutil.which("gccgo") or next((str(p) for p in sorted(pathlib.Path("/usr/bin").glob("gccgo-[0-9]*"))), None)
    if not compiler:
        need_program("gccgo", "gccgo")
    if not SUMDB.is_dir():
        skip(f"{SUMDB} isn't here: install golang-golang-x-mod-dev")
    folder = BUILD / "go"
    objects = []
    for name in ("note", "tlog"):
        sources = [p for p in sorted((SUMDB / name).glob("*.go")) if not p.name.endswith("_test.go")]
        target = folder / "golang.org" / "x" / "mod" / "sumdb" / f"{name}.o"
        target.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run([compiler, "-c", "-O1", f"-I{folder}", f"-fgo-pkgpath=golang.org/x/mod/sumdb/{name}", "-o", target, *sources],
                       check=True)
        objects.append(target)
    subprocess.run([compiler, "-O1", f"-I{folder}", "-o", folder / "tlog_client", CLIENT, *objects], check=True)
    return folder / "tlog_client"


class Monitor:
    """The client and what it wrote down last."""

    def __init__(self, client, vkey):
        self.client, self.vkey, self.state = client, vkey, ""

    def look(self, url, *witnesses, code=0, text=""):
        done = subprocess.run([self.client, f"{url}/log", self.vkey, *witnesses], input=self.state, capture_output=True, text=True,
                              timeout=120)
        if done.returncode != code or text not in done.stderr:
            raise Failed(f"the client: {done.returncode}, {done.stderr}")
        if code == 0:
            self.state = done.stdout
        return done.stderr.strip() or int(done.stdout.split()[0])


def fill(directory, count):
    for _ in range(count):
        directory.post(Principal(f"b-{os.urandom(6).hex()}").bot())


def story(folder):
    step("the Go team's client is compiled")
    client = build_client()
    directory = Directory(folder)
    url = lambda of: f"http://127.0.0.1:{of.port}"  # noqa: E731
    monitor = Monitor(client, directory.vkey)
    step("it reads, verifies and monitors the log as it grows, over the edges of tiles")
    for size in (1, 2, 255, 256, 257, 300, 512, 700):
        fill(directory, size - directory.checkpoint()[0])
        if monitor.look(url(directory)) != size:
            raise Failed(f"not {size} entries")
    check(True, "eight times, each proven to extend the one before, every entry in its tree")
    said = Monitor(client, sodium.vkey("zos-directory", sodium.keypair(os.urandom(32))[0])).look(url(directory), code=1)
    check("checkpoint" in said, f"another key is refused: {said}")
    step("with witnesses")
    witnesses = [Witness(folder, f"w.example-{n}", directory.vkey) for n in range(2)]
    directory.process.stop()
    directory.options = [*witnesses[0].option, *witnesses[1].option, "--quorum", "2"]
    directory.start()
    fill(directory, 1)
    keys = [w.vkey for w in witnesses]
    poll(lambda: directory.checkpoint()[0] == 701 and
         len(sodium.cosigned_by(directory.get("/log/checkpoint").decode(), keys)) == 2, 20, "two cosignatures of 701 entries")
    check(monitor.look(url(directory), *keys) == 701, "it verifies both cosignatures")
    step("a mirror")
    process = Process([program("directoryd"), "mirror", url(directory), "--log", directory.vkey, "--store",
                       f"sqlite:{folder / 'mirror.sqlite'}", "--listen", "127.0.0.1:0"], folder / "mirror.log", name="mirror")
    poll(lambda: "listening on" in process.output(), 20, "the mirror to listen")
    address = next(line for line in process.output().splitlines() if line.startswith("listening on")).rsplit(" ", 1)[1]
    check(monitor.look(address, *keys) == 701, "is the same log to it, cosignatures and all")
    step("a log that was rewritten")
    (folder / "other").mkdir()
    other = Directory(folder / "other")
    other.process.stop()
    shutil.copy(directory.key, other.key)
    other.store.unlink()
    other.start()
    fill(other, 702)
    said = monitor.look(url(other), code=1, text="doesn't extend what was seen before")
    check(True, f"is found out: {said}")


run(story)
