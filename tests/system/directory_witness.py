#!/usr/bin/python3
"""Witnesses: what one of them cosigns and refuses by c2sp.org/tlog-witness, to the status code; three of them with one dead make a
quorum of two for a directory; one that shows two histories gets none, and is refused by whoever asks for witnesses."""

import json
import os
import shutil
import subprocess
import time

import sodium
from grid import Directory, Principal, Witness
from story import check, run, step
from process import free_ports, poll, program

NAME = "log.example/w"


class Log:
    """A log of our own making, signed with a key that the witness knows."""

    def __init__(self):
        self.seed = os.urandom(32)
        self.vkey = sodium.vkey(NAME, sodium.keypair(self.seed)[0])
        self.leaves = [sodium.leaf_hash(bytes([n])) for n in range(40)]

    def note(self, size, leaves=None, seed=None):
        return sodium.checkpoint(NAME, size, sodium.tree_root((leaves or self.leaves)[:size]), seed or self.seed)

    def proof(self, old, size, leaves=None):
        return [sodium.b64(h) for h in sodium.consistency_proof((leaves or self.leaves)[:size], old)] if 0 < old < size else []

    def body(self, old, size, *, note=None, proof=None):
        lines = [f"old {old}", *(self.proof(old, size) if proof is None else proof), "", note or self.note(size)]
        return "\n".join(lines)


def by_the_letter(folder):
    step("one witness, asked by hand: c2sp.org/tlog-witness to the letter")
    log = Log()
    witness = Witness(folder, "w.example/alone", log.vkey)

    def expect(status, body, what, text=None):
        answer = witness.ask(body)
        check(answer.status == status and (text is None or answer.body.decode() == text), f"{what}: {status}")
        return answer

    expect(400, "", "nothing")
    for bad in ("old\n\n", "old 01\n\n", "old -1\n\n", "old 1", "old 0\nAAAA\n\n", "old 9007199254740992\n\n", "new 0\n\n"):
        expect(400, bad + log.note(1), repr(bad))
    expect(400, "old 0\n" + f"{sodium.b64(bytes(32))}\n" * 64 + "\n" + log.note(1), "a proof of 64 lines")
    expect(404, "old 0\n\n" + log.note(1).replace(NAME, "other.example"), "a log that it doesn't know")
    expect(403, log.body(0, 1, note=log.note(1, seed=os.urandom(32))), "a signature of another key")
    expect(403, log.body(0, 1, note=log.note(1).split("\n\n")[0] + "\n\n"), "no signature at all")
    expect(422, log.body(0, 5, proof=[sodium.b64(bytes(32))]), "a proof from nothing")
    answer = expect(200, log.body(0, 5), "the first")
    names = sodium.cosigned_by(log.note(5) + answer.body.decode(), [witness.vkey])
    check(abs(names["w.example/alone"] - time.time()) < 30, "it is a cosignature/v1 with the time")
    expect(409, log.body(0, 9), "from another size than its last: its size", "5\n")
    check(witness.ask(log.body(7, 9)).headers["Content-Type"] == "text/x.tlog.size", "as text/x.tlog.size")
    expect(400, log.body(9, 5), "an old size that is larger than the checkpoint's")
    state = next(path for path in witness.state.iterdir() if path.suffix == "" and path.name != "lock")
    inode = state.stat().st_ino
    expect(200, log.body(5, 5), "the same again")
    check(state.stat().st_ino == inode, "which isn't written down again")
    expect(422, log.body(5, 9, proof=log.proof(4, 9)), "a proof of something else")
    expect(422, log.body(5, 8, proof=log.proof(4, 8)), "and another one")
    suspect = state.with_name(state.name + ".suspect").read_text()
    check(log.note(9) in suspect and "says nothing against the log" in suspect, "the first of them is kept")
    expect(200, log.body(5, 9), "one that extends it")
    expect(200, log.body(9, 12, note=log.note(12) + f"— {NAME} AAAAAAAA\n— x.example AAAAAAAA\n"), "with signatures of strangers")
    forked = [sodium.leaf_hash(b"another"), *log.leaves[1:]]
    expect(409, log.body(12, 12, note=log.note(12, forked)), "another history of the same size", "12\n")
    expect(422, log.body(12, 20, note=log.note(20, forked), proof=log.proof(12, 20, forked)), "a larger one that isn't its own")
    kept = [path.read_text() for path in witness.state.glob("*.evidence")]
    check(len(kept) == 1 and kept[0].startswith("The log log.example/w signed two histories") and log.note(12, forked) in kept[0]
          and log.note(12) in kept[0], "the two signed notes are kept as evidence, with words")
    step("kill -9, and again")
    witness.process.kill9()
    witness.start()
    expect(409, log.body(0, 5), "it knows what it cosigned", "12\n")
    second = subprocess.run([program("directoryd"), "witness", "--key", witness.key, "--name", witness.name, "--state", witness.state,
                             "--listen", "127.0.0.1:0", "--log", log.vkey], capture_output=True, text=True, timeout=10)
    check(second.returncode == 1 and "another witness uses" in second.stderr, "a second one on the same state is refused")
    check(witness.process.stop(), "SIGTERM ends it")
    state.write_bytes(b"nonsense")
    spoilt = subprocess.run([program("directoryd"), "witness", "--key", witness.key, "--name", witness.name, "--state", witness.state,
                             "--listen", "127.0.0.1:0", "--log", log.vkey], capture_output=True, text=True, timeout=10)
    check(spoilt.returncode == 1 and "isn't a signed note" in spoilt.stderr, "with a spoilt state it doesn't start")


def cosigned(directory, vkeys, quorum):
    """The published checkpoint's size, when a quorum has cosigned it; else -1."""
    text = directory.get("/log/checkpoint").decode()
    return directory.checkpoint(text)[0] if len(sodium.cosigned_by(text, vkeys)) >= quorum else -1


def wait_cosigned(directory, vkeys, size, quorum=2):
    poll(lambda: cosigned(directory, vkeys, quorum) >= size, 20, f"{size} entries to be cosigned", 0.05)


def bot(home, directory, *words, vkeys=(), quorum=0):
    """3bot with a config of its own: (exit code, output)."""
    home.mkdir(exist_ok=True)
    settings = {"directory": f"http://127.0.0.1:{directory.port}", "directory_key": directory.vkey}
    if vkeys:
        settings.update(witnesses=list(vkeys), witness_quorum=quorum)
    name = json.loads((home / "config.json").read_text()).get("name") if (home / "config.json").exists() else None
    (home / "config.json").write_text(json.dumps({**settings, **({"name": name} if name else {})}))
    done = subprocess.run([program("3bot"), *words], env={**os.environ, "THREEBOT_HOME": str(home)}, capture_output=True, text=True,
                          timeout=60)
    return done.returncode, done.stdout + done.stderr


def feed(directory, node, query):
    return directory.ask("GET", f"/v1/nodes/{node.id}/feed?{query}", timeout=70)


def quorum(folder):
    step("a directory with three witnesses, a quorum of two, one dead")
    directory = Directory(folder)
    names = [f"w.example/{n}" for n in range(3)]
    witnesses = [Witness(folder, name.replace("/", "-"), directory.vkey) for name in names[:2]]
    dead = sodium.witness_vkey("w.example/dead", sodium.keypair(os.urandom(32))[0])
    vkeys = [*(w.vkey for w in witnesses), dead]
    directory.process.stop()
    directory.options = [*witnesses[0].option, *witnesses[1].option, "--witness", f"{dead},http://127.0.0.1:{free_ports(1)[0]}",
                         "--quorum", "2"]
    directory.start()
    alice, node = Principal("alice"), Principal()
    directory.post(alice.bot())
    directory.post(alice.sign("farm", name="farm-a", description=""))
    wait_cosigned(directory, vkeys, 2)
    text = directory.get("/log/checkpoint").decode()
    check(set(sodium.cosigned_by(text, vkeys)) == {w.name for w in witnesses}, "the published checkpoint has both cosignatures")
    directory.post(node.node(alice.invite()))
    contract = directory.post(alice.contract(node))
    began = time.monotonic()
    answer = feed(directory, node, "wait=20&cosigned=1").json()
    check(len(sodium.cosigned_by(answer["checkpoint"], vkeys)) == 2 and answer["entries"][0]["index"] == contract["index"],
          f"a feed that asks for it waits until the contract is cosigned: {time.monotonic() - began:.1f} s")
    check("—" in contract["checkpoint"] and not sodium.cosigned_by(contract["checkpoint"], vkeys),
          "a 201 doesn't wait: it has the directory's signature alone")
    code, out = bot(folder / "bot", directory, "init", "--name", "carol", vkeys=vkeys, quorum=2)
    check(code == 0, f"3bot registers under a quorum of two: {out.splitlines()[-1] if out else ''}")
    code, out = bot(folder / "bot", directory, "verify", contract["id"], vkeys=vkeys, quorum=2)
    check(code == 0 and "at least 2 of 3 witnesses cosigned it" in out, "and verifies a statement under it")
    code, out = bot(folder / "strict", directory, "verify", contract["id"], vkeys=vkeys, quorum=3)
    check(code == 1 and "cosigned by 2 of the 3 known witnesses, 3 are needed" in out, "who asks for three is told of two")
    step("a witness that comes back is asked again")
    witnesses[1].process.stop()
    size = directory.post(Principal("dora").bot())["index"] + 1
    time.sleep(1.5)
    check(cosigned(directory, vkeys, 2) < size, "with one of three there is no quorum")
    check(feed(directory, node, f"from_size={size}&wait=0&cosigned=1").status == 503, "503 to whoever knows more than is cosigned")
    witnesses[1].start()
    wait_cosigned(directory, vkeys, size)
    check(True, "with two there is")
    return directory, witnesses, vkeys, node, alice


def restart(directory, witnesses, vkeys, quorum=2):
    step("a restart while the witnesses are away")
    size = directory.post(Principal("before").bot())["index"] + 1
    wait_cosigned(directory, vkeys, size, quorum)
    for witness in witnesses:
        witness.process.stop()
    later = directory.post(Principal("later").bot())["index"] + 1
    for end in ("stop", "kill9"):
        getattr(directory.process, end)()
        directory.start()
        check(cosigned(directory, vkeys, quorum) == size, f"it shows the cosigned checkpoint of {size} entries, and no later one")
    directory.process.stop()
    options, directory.options = directory.options, [*directory.options[:-1], str(quorum + 1)]
    if quorum < len(vkeys):
        directory.start()
        check(cosigned(directory, vkeys, quorum) < 0 and "that was kept isn't used" in directory.process.output(),
              "but not when more witnesses are asked for than cosigned it")
        directory.process.stop()
    directory.options = options
    directory.start()
    for witness in witnesses:
        witness.start()
    wait_cosigned(directory, vkeys, later, quorum)
    check(True, "they come back, and it goes on")


def split_view(folder, directory, witnesses, vkeys, node, alice):
    step("the directory shows two histories: an old copy of its store goes another way under the same key")
    directory.process.stop()
    copy = folder / "copy.sqlite"
    shutil.copy(directory.store, copy)
    directory.start()
    honest = directory.post(Principal("erin").bot())
    wait_cosigned(directory, vkeys, honest["index"] + 1)
    bot(folder / "bot", directory, "node", "list", vkeys=vkeys, quorum=2)
    code, out = bot(folder / "bot", directory, "verify", honest["id"], vkeys=vkeys, quorum=2)
    check(code == 0, "the honest history has its quorum")
    directory.process.stop()
    directory.store, store = copy, directory.store
    directory.start()
    forked = directory.post(Principal("mallory").bot())
    check(forked["index"] == honest["index"], f"entry {forked['index']} is another one now, signed with the same key")
    poll(lambda: "has seen another history" in directory.process.output(), 20, "the directory to be told by its witnesses")
    evidence = poll(lambda: [path.read_text() for w in witnesses for path in w.state.glob("*.evidence")], 40, "a witness's evidence")
    check("signed two histories" in evidence[0], f"in words: {evidence[0].splitlines()[0]}")
    check(cosigned(directory, vkeys, 1) <= forked["index"], "no witness has cosigned it")
    code, out = bot(folder / "fresh", directory, "verify", forked["id"], vkeys=vkeys, quorum=2)
    check(code == 1 and f"the witnesses have cosigned only {forked['index']} entries" in out,
          "a 3bot that never saw the other one refuses it for want of witnesses")
    code, out = bot(folder / "naive", directory, "verify", forked["id"])
    check(code == 0, "one that asks for none is deceived: this is what witnesses are for")
    code, out = bot(folder / "bot", directory, "verify", forked["id"], vkeys=vkeys, quorum=0)
    check(code == 1 and "ALARM" in out and any((folder / "bot").glob("checkpoint-*-other")),
          "one that saw the other raises the alarm, and keeps both")
    size = directory.checkpoint(feed(directory, node, "wait=1&cosigned=1").json()["checkpoint"])[0]
    check(size <= forked["index"] and feed(directory, node, f"wait=1&cosigned=1&from_size={size + 1}").status == 503,
          "a node that asks for witnesses is given nothing of it")
    directory.process.stop()
    directory.store = store
    directory.start()
    size = directory.post(Principal("frank").bot())["index"] + 1
    wait_cosigned(directory, vkeys, size)
    check(True, "back on the true store, the witnesses cosign again")


def story(folder):
    by_the_letter(folder)
    world = quorum(folder)
    restart(*world[:3])
    split_view(folder, *world)


if __name__ == "__main__":
    run(story)
