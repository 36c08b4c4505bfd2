#!/usr/bin/python3
"""A node believes nothing that a directory merely says: each lie is refused by the node itself, with its reason on the
console and, where the contract is known, in a `failed` result; after each lie it goes on, but for a rewritten history:
that stops all provisioning and raises an alert, also after a reboot."""

import base64
import json
import os
import time

from story import check, poll, run, step
import sodium
from liar import Liar
from zos import Disk, Node, make_disk

FARMER, BOT, STRANGER = (bytes([n]) * 32 for n in (1, 2, 3))
NOTHING = {"cru_milli": 0, "mru_bytes": 0, "sru_bytes": 0, "hru_bytes": 0}
VOLUME_BYTES = 256 << 20


class Case:
    """The node under test, its directory, and what both need to tell a lie."""

    def __init__(self, folder):
        self.liar = Liar()
        self.invite = sodium.envelope("invite", {"farm": 1, "expires": int(time.time()) + 86400, "nodes_max": 1}, FARMER)
        self.liar.add(sodium.envelope("bot", {"name": "farmer", "description": ""}, FARMER))
        self.liar.add(sodium.envelope("bot", {"name": "user", "description": ""}, BOT))
        self.node = Node(folder / "node", disks=[Disk(make_disk(folder / "disk", 4 << 30))],
                         settings=self.liar.settings(self.invite))
        self.statement = None

    def boot(self):
        self.node.start()

    def wait_registered(self):
        self.statement = poll(lambda: self.liar.posted("node"), 120, "the node to register", alive=self.node.check)[-1]
        envelope = [envelope for kind, _, envelope in self.liar.statements if kind == "node"][-1]
        self.id = sodium.envelope_signer(envelope)
        return envelope

    def contract(self, **changes):
        """A good open contract for one volume, but for the changes; a value None takes the key out."""
        media = "sru_bytes" if self.statement["resources"]["sru_bytes"] >= VOLUME_BYTES else "hru_bytes"
        payload = {
            "node": self.id, "expires": int(time.time()) + 3600, "nonce": sodium.b64(os.urandom(16)),
            "reserves": {**NOTHING, media: VOLUME_BYTES},
            "workloads": [{"name": "data", "type": "volume",
                           "data": {"size_bytes": VOLUME_BYTES, "media": "ssd" if media == "sru_bytes" else "hdd"}}]}
        payload.update(changes)
        return {key: value for key, value in payload.items() if value is not None}

    def results(self, envelope):
        return self.liar.posted("result", contract=sodium.statement_id(envelope))

    def refuse(self, what, envelope, reason, *, proof=None, again=False, failed=False):
        """Shows the lie, and waits until the node has refused it for that reason; then takes it back."""
        step(what)
        mark, results = self.node.console.count(), len(self.results(envelope))
        index = self.liar.serve(envelope, proof=proof, again=again)
        self.node.wait_for(reason, timeout=90, since=mark)
        check(True, f"the console gives the reason: {self.node.seen(reason, mark)[1].string.strip()[:150]}")
        if failed:
            found = poll(lambda: self.results(envelope), 60, "a failed result", alive=self.node.check)
            check([r["state"] for r in found] == ["failed"], "a failed result is the only one")
            check("message" in found[0], f"it says why: {found[0].get('message')}")
        else:
            check(len(self.results(envelope)) == results, "no result was posted")
        self.liar.hide(index)

    def accept(self, what):
        step(what)
        envelope = sodium.envelope("contract", self.contract(), BOT)
        self.liar.serve(envelope)
        poll(lambda: [r for r in self.results(envelope) if r["state"] == "running"], 90, "the good contract to run",
             alive=self.node.check)
        check(True, "it runs")
        return envelope


def tampered(envelope):
    """The same envelope with one number of the payload changed, under the old signature."""
    parsed = json.loads(envelope)
    payload = json.loads(base64.b64decode(parsed["payload"]))
    payload["expires"] += 1
    parsed["payload"] = sodium.b64(json.dumps(payload, separators=(",", ":")).encode())
    return json.dumps(parsed, separators=(",", ":"))


def signed_by_another(payload):
    """An envelope that names the bot and is signed by a stranger."""
    parsed = json.loads(sodium.envelope("contract", payload, STRANGER))
    parsed["signatures"][0]["keyid"] = sodium.identity(BOT)
    return json.dumps(parsed, separators=(",", ":"))


def lies_about_entries(case):
    sign = lambda **changes: sodium.envelope("contract", case.contract(**changes), BOT)  # noqa: E731
    case.refuse("an entry without a valid inclusion proof", sign(), r"inclusion proof", proof=[sodium.b64(b"\1" * 32)])
    case.refuse("a tampered envelope", tampered(sign()), r"bad signature")
    case.refuse("an envelope signed by another than it names", signed_by_another(case.contract()), r"bad signature")
    case.refuse("a contract for another node", sign(node=sodium.identity(STRANGER)), r"for another node")
    case.refuse("an expired contract", sign(created=int(time.time()) - 7200, expires=int(time.time()) - 3600),
                r"contract expired", failed=True)
    case.refuse("a contract from the future", sign(created=int(time.time()) + 86400, expires=int(time.time()) + 90000),
                r"lies in the future", failed=True)
    case.refuse("a contract with an unknown key", sign(urgent=True), r"urgent", failed=True)
    odd = case.contract()
    odd["workloads"][0]["data"]["colour"] = "red"
    case.refuse("a workload with an unknown key", sodium.envelope("contract", odd, BOT), r"colour", failed=True)
    huge = {**case.contract()["reserves"], "mru_bytes": 1 << 50}
    case.refuse("a contract over the node's capacity", sign(reserves=huge), r"over capacity", failed=True)
    case.refuse("a contract that reserves less than it needs", sign(reserves=NOTHING), r"reserves", failed=True)


def lie_about_checkpoint(case):
    step("a checkpoint signed by another key")
    mark = case.node.console.count()
    case.liar.set_forge(checkpoint_seed=case.liar.other_seed)
    envelope = sodium.envelope("contract", case.contract(), BOT)
    index = case.liar.serve(envelope)
    case.node.wait_for(r"checkpoint", timeout=90, since=mark)
    check(not case.results(envelope), f"refused: {case.node.seen('checkpoint', mark)[1].string.strip()[:150]}")
    case.liar.hide(index)
    case.liar.set_forge()


def rewritten_history(case):
    step("history is rewritten: the checkpoint doesn't extend the last one")
    mark = case.node.console.count()
    case.liar.rewrite_history()
    forbidden = sodium.envelope("contract", case.contract(), BOT)
    case.liar.serve(forbidden)
    case.node.wait_for(r"doesn't extend", timeout=90, since=mark)
    alerted = lambda: case.liar.heartbeats and case.liar.heartbeats[-1].get("alerts")  # noqa: E731
    check(poll(alerted, 60, "an alert in the heartbeat", alive=case.node.check), "the heartbeat carries an alert")
    time.sleep(5)
    check(not case.results(forbidden), "provisioning has stopped")
    step("the same after a reboot")
    check(case.node.power_off(), "the node powers off")
    case.liar.heartbeats.clear()
    case.node.start()
    check(poll(alerted, 120, "an alert in the heartbeat", alive=case.node.check), "the alert is there again")
    check(not case.results(forbidden), "nothing of the rewritten log was obeyed")


def story(folder):
    case = Case(folder)
    step("the node registers with a directory that is still honest")
    case.boot()
    envelope = case.wait_registered()
    check(envelope in case.liar.log, f"node {case.id} is in the log")
    lies_about_entries(case)
    lie_about_checkpoint(case)
    good = case.accept("a good contract, after all those lies")
    case.refuse("the good contract once more: a replay", good, r"seen before", again=True)
    step("a stranger's cancel of the good contract")
    mark = case.node.console.count()
    case.liar.serve(sodium.envelope("cancel", {"contract": sodium.statement_id(good)}, STRANGER))
    case.node.wait_for(r"another bot's to cancel", timeout=90, since=mark)
    check(case.results(good)[-1]["state"] == "running", "it still runs")
    rewritten_history(case)
    case.node.power_off()
    case.liar.stop()


run(story)
