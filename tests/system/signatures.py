#!/usr/bin/python3
"""One policy for signatures on which verifiers of Ed25519 differ, in C, in Python and in the browser: each says the same of each of
tests/fixtures/ed25519.vectors (C: tests/unit/test_ed25519). The page's module is the one that directoryd serves, run by node."""

import json
import subprocess

import sodium
from grid import Directory, Principal
from process import ROOT
from story import check, need_program, run, step

VECTORS = ROOT / "tests" / "fixtures" / "ed25519.vectors"


def in_python():
    step("Python's verifier, and the arithmetic that made the vectors")
    sodium.self_test()
    lines = [line.split(" ", 4) for line in VECTORS.read_text().splitlines() if not line.startswith("#")]
    wrong = [why for verdict, key, message, signature, why in lines
             if sodium.verify(bytes.fromhex(key), bytes.fromhex(message.strip("-")), bytes.fromhex(signature)) != (verdict == "accept")]
    check(len(lines) >= 70 and not wrong, f"{len(lines)} signatures get the verdict of the policy {' '.join(wrong)}")


def served(directory, folder):
    """The module as a browser gets it, and statements with what there is to be found in them."""
    alice, node = Principal("alice"), Principal()
    statements = [alice.bot(), alice.sign("farm", name="farm", description="ünï")]
    statements.append(node.node(alice.invite()))
    statements.append(alice.contract(node))
    known = []
    for envelope in statements:
        answer = directory.get(f"/v1/statements/{directory.post(envelope)['id']}")
        known.append([answer["envelope"], answer["id"], sodium.statement_kind(envelope), sodium.envelope_signer(envelope)])
    (folder / "statements.json").write_text(json.dumps(known))
    answer = directory.ask("GET", "/verify.js")
    check(answer.status == 200 and answer.headers["Content-Type"].startswith("text/javascript"), "the page's module is served")
    (folder / "verify.mjs").write_bytes(answer.body)


def story(folder):
    in_python()
    node = need_program("node", "nodejs")
    step("the browser's")
    directory = Directory(folder)
    served(directory, folder)
    done = subprocess.run([node, ROOT / "tests" / "system" / "signatures.mjs", folder / "verify.mjs", VECTORS, folder / "statements.json"],
                          capture_output=True, text=True, timeout=120)
    for line in done.stdout.splitlines():
        check(True, line)
    check(done.returncode == 0, f"all of it holds {done.stderr[-1500:]}")


run(story)
