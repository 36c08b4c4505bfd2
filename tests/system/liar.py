"""A directory that lies: the test double of directoryd in tests of what a node checks by itself.

It has a log and a key of its own and is honest until told otherwise: `serve` shows one entry in the node's feed, with what
is wrong about it; `forge` replaces parts of the next answers. What the node sends is kept in `statements` and `heartbeats`.
"""

import base64
import http.server
import json
import threading
import time
import urllib.parse

import sodium

NAME = "liar.example"


class Liar:
    def __init__(self, heartbeat_s=2):
        self.seed = bytes([7]) * 32
        self.other_seed = bytes([8]) * 32  # a key that the node has no reason to trust
        self.key = sodium.vkey(NAME, sodium.keypair(self.seed)[0])
        self.heartbeat_s = heartbeat_s
        self.log = []        # envelopes, in the order of the log
        self.feed = []       # (index, envelope, proof override or None): what the node is shown
        self.statements = [] # (kind, payload, envelope) that were posted
        self.heartbeats = [] # payloads
        self.asked = 0       # feed requests answered
        self.forge = {}      # "checkpoint_seed", "consistency": put into feed answers in place of the truth
        self.changed = threading.Condition()
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    # ---- what a story does with it

    def settings(self, invite):
        return {"directory": f"http://10.0.2.2:{self.port}", "directory_key": self.key,
                "invite": sodium.b64url(invite.encode())}

    def add(self, envelope):
        """Logs an envelope and gives its index."""
        with self.changed:
            if envelope not in self.log:
                self.log.append(envelope)
            return self.log.index(envelope)

    def serve(self, envelope, proof=None, again=False):
        """Logs an envelope and shows it in the feed; `proof` instead of the true one; `again`: as one more entry of the log."""
        with self.changed:
            if again or envelope not in self.log:
                self.log.append(envelope)
            index = len(self.log) - 1 if again else self.log.index(envelope)
            self.feed.append((index, envelope, proof))
            self.changed.notify_all()
            return index

    def hide(self, index):
        """Takes an entry out of the feed again."""
        with self.changed:
            self.feed = [entry for entry in self.feed if entry[0] != index]

    def set_forge(self, **parts):
        with self.changed:
            self.forge = parts
            self.changed.notify_all()

    def rewrite_history(self):
        """Another first entry: no later checkpoint extends what the node has seen."""
        with self.changed:
            self.log[0] = sodium.envelope("bot", {"name": "someone-else", "description": ""}, self.other_seed)
            self.changed.notify_all()

    def posted(self, kind, **fields):
        """The payloads of what the node posted of that kind, with those values."""
        with self.changed:
            return [payload for name, payload, _ in self.statements
                    if name == kind and all(payload.get(key) == value for key, value in fields.items())]

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    # ---- what it answers

    def _leaves(self):
        return [sodium.leaf_hash(entry) for entry in self.log]

    def _checkpoint(self, seed=None):
        return sodium.checkpoint(NAME, len(self.log), sodium.tree_root(self._leaves()), seed or self.seed)

    def _proof(self, index):
        return [sodium.b64(part) for part in sodium.inclusion_proof(self._leaves(), index)]

    def take_statement(self, envelope):
        with self.changed:
            if sodium.envelope_signer(envelope) is None:
                return 401, {"title": "bad signature", "status": 401}
            status = 200 if envelope in self.log else 201
            if status == 201:
                self.log.append(envelope)
                self.statements.append((sodium.statement_kind(envelope), sodium.envelope_payload(envelope), envelope))
            index = self.log.index(envelope)
            return status, {"id": sodium.statement_id(envelope), "index": index, "checkpoint": self._checkpoint(),
                            "proof": self._proof(index)}

    def take_heartbeat(self, envelope):
        payload = sodium.envelope_payload(envelope)
        with self.changed:
            self.heartbeats.append(payload)
        return 200, self.time_envelope(payload["nonce"])

    def time_envelope(self, nonce):
        return sodium.envelope("time", {"nonce": nonce, "heartbeat_s": self.heartbeat_s}, self.seed)

    def feed_answer(self, after, from_size, wait):
        end = time.monotonic() + wait
        with self.changed:
            before = dict(self.forge)
            while not self._after(after) and self.forge == before and time.monotonic() < end:
                self.changed.wait(min(0.5, max(0.01, end - time.monotonic())))
            self.asked += 1
            entries = [{"index": index, "envelope": envelope, "proof": self._proof(index) if proof is None else proof}
                       for index, envelope, proof in self._after(after)]
            size = len(self.log)
            consistency = [sodium.b64(part) for part in sodium.consistency_proof(self._leaves(), from_size)] \
                if 0 < from_size < size else []
            answer = {"entries": entries, "checkpoint": self._checkpoint(self.forge.get("checkpoint_seed")),
                      "consistency": consistency}
            seen_so_far = after if after is not None else max(size - 1, 0)
            answer["next"] = entries[-1]["index"] if entries else seen_so_far
            return 200, answer

    def _after(self, after):
        return [entry for entry in self.feed if after is None or entry[0] > after]

    def _handler(liar):
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
                if self.path == "/v1/statements":
                    self._answer(*liar.take_statement(body))
                elif self.path.endswith("/heartbeat"):
                    self._answer(*liar.take_heartbeat(body))
                else:
                    self._answer(404, {"title": "not found", "status": 404})

            def do_GET(self):
                url = urllib.parse.urlsplit(self.path)
                query = dict(urllib.parse.parse_qsl(url.query))
                if url.path == "/v1/time":
                    nonce = query["nonce"]
                    raw = base64.urlsafe_b64decode(nonce + "=" * (-len(nonce) % 4))
                    self._answer(200, liar.time_envelope(sodium.b64(raw)))
                elif url.path.endswith("/feed"):
                    after = int(query["after"]) if "after" in query else None
                    self._answer(*liar.feed_answer(after, int(query.get("from_size", 0)), float(query.get("wait", 0))))
                else:
                    self._answer(404, {"title": "not found", "status": 404})

            def _answer(self, status, body):
                data = (body if isinstance(body, str) else json.dumps(body)).encode()
                try:
                    self.send_response(status)
                    self.send_header("Content-Type", "application/json" if status < 400 else "application/problem+json")
                    self.send_header("Content-Length", str(len(data)))
                    self.end_headers()
                    self.wfile.write(data)
                except OSError:
                    pass  # the node went away: power-off, a lost cable

        return Handler
