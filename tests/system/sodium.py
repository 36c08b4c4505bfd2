"""The project's formats a second time, in Python's standard library and libsodium through ctypes: what a story signs or checks with this
is independent of the C code under test. Names follow lib/: DSSE envelopes, base58 ids, RFC 6962 trees, C2SP notes, sealed contracts.

Every function takes and gives bytes for keys, hashes and messages, str for texts. Run the file itself for its self-test.
"""
import base64
import ctypes
import ctypes.util
import hashlib
import json
import os
import time

ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
SEAL_BYTES = 48

_lib = ctypes.CDLL("libsodium.so.23")
if _lib.sodium_init() < 0:
    raise RuntimeError("libsodium does not start")


def _call(name, *arguments):
    return getattr(_lib, name)(*arguments)


def _length(data):
    return ctypes.c_ulonglong(len(data))


# ---- Keys (lib/key)

def keypair(seed):
    """(public, secret) of an Ed25519 pair from its 32-byte seed; the secret is libsodium's 64 bytes."""
    public, secret = ctypes.create_string_buffer(32), ctypes.create_string_buffer(64)
    _call("crypto_sign_seed_keypair", public, secret, bytes(seed))
    return public.raw, secret.raw


def sign(secret, message):
    """64 bytes; `secret` is keypair's, or a 32-byte seed."""
    if len(secret) == 32:
        secret = keypair(secret)[1]
    signature = ctypes.create_string_buffer(64)
    _call("crypto_sign_detached", signature, None, bytes(message), _length(message), secret)
    return signature.raw


def verify(public, message, signature):
    return len(signature) == 64 and _call("crypto_sign_verify_detached", bytes(signature), bytes(message), _length(message),
                                          bytes(public)) == 0


def identity(seed):
    """The id: base58 of the public key."""
    return b58encode(keypair(seed)[0])


def derive_x25519(seed, context):
    """(public, secret) derived as key_derive_x25519 does: b"zos-seal", b"zos-wgrd"."""
    derived = ctypes.create_string_buffer(32)
    _call("crypto_kdf_derive_from_key", derived, ctypes.c_size_t(32), ctypes.c_ulonglong(1), context, bytes(seed))
    public = ctypes.create_string_buffer(32)
    _call("crypto_scalarmult_base", public, derived)
    return public.raw, derived.raw


def as_x25519(seed):
    """(public, secret) of the Ed25519 pair converted to X25519."""
    public, secret = keypair(seed)
    out = ctypes.create_string_buffer(32)
    _call("crypto_sign_ed25519_sk_to_curve25519", out, secret)
    return public_as_x25519(public), out.raw


def public_as_x25519(public):
    out = ctypes.create_string_buffer(32)
    if _call("crypto_sign_ed25519_pk_to_curve25519", out, bytes(public)) != 0:
        raise ValueError("not an Ed25519 point")
    return out.raw


def seed_read(path):
    """The seed in a key file: 64 hexadecimal digits and a newline."""
    with open(path) as file:
        return bytes.fromhex(file.read().strip())


# ---- Text forms (lib/encode)

def b58encode(data):
    number, text = int.from_bytes(data, "big"), ""
    while number:
        number, digit = divmod(number, 58)
        text = ALPHABET[digit] + text
    return "1" * (len(data) - len(data.lstrip(b"\0"))) + text


def b58decode(text, size=32):
    number = 0
    for digit in text:
        number = number * 58 + ALPHABET.index(digit)
    data = number.to_bytes(size, "big")
    if b58encode(data) != text:
        raise ValueError("not the canonical base58 of %d bytes" % size)
    return data


def b64(data):
    return base64.b64encode(data).decode()


def b64url(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


# ---- Statements (lib/envelope, lib/statement)

def pae(payload_type, payload):
    kind = payload_type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def payload_type(kind):
    return "application/vnd.zos.%s+json" % kind


def envelope(kind, payload, seed):
    """Signs a payload: a dict (version and created are added when missing) or bytes (taken as they are)."""
    if isinstance(payload, dict):
        payload = {"version": 1, "created": int(time.time()), **payload}
        payload = json.dumps(payload, separators=(",", ":"), ensure_ascii=False).encode()
    full = payload_type(kind)
    return json.dumps({"payloadType": full, "payload": b64(payload), "signatures": [
        {"keyid": identity(seed), "sig": b64(sign(bytes(seed), pae(full, payload)))}]}, separators=(",", ":"))


def envelope_payload(text):
    """The payload as a dict, unchecked."""
    return json.loads(base64.b64decode(json.loads(text)["payload"]))


def envelope_signer(text):
    """The signer's id when the signature fits, else None."""
    parsed = json.loads(text)
    signature = parsed["signatures"][0]
    message = pae(parsed["payloadType"], base64.b64decode(parsed["payload"]))
    fits = verify(b58decode(signature["keyid"]), message, base64.b64decode(signature["sig"]))
    return signature["keyid"] if fits else None


def statement_kind(text):
    return json.loads(text)["payloadType"][len("application/vnd.zos."):-len("+json")]


def statement_id(text):
    parsed = json.loads(text)
    return hashlib.sha256(pae(parsed["payloadType"], base64.b64decode(parsed["payload"]))).hexdigest()


# ---- The tree (lib/merkle; RFC 6962 §2.1)

def _bytes(data):
    return data.encode() if isinstance(data, str) else bytes(data)


def leaf_hash(entry):
    return hashlib.sha256(b"\0" + _bytes(entry)).digest()


def node_hash(left, right):
    return hashlib.sha256(b"\1" + left + right).digest()


def _split(count):
    return 1 << (count - 1).bit_length() - 1


def tree_root(leaves):
    """The root over leaf hashes."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    middle = _split(len(leaves))
    return node_hash(tree_root(leaves[:middle]), tree_root(leaves[middle:]))


def inclusion_proof(leaves, index, size=None):
    """The hashes that prove leaf `index` in the tree of the first `size` leaves."""
    leaves = leaves[:len(leaves) if size is None else size]
    if len(leaves) <= 1:
        return []
    middle = _split(len(leaves))
    if index < middle:
        return inclusion_proof(leaves[:middle], index) + [tree_root(leaves[middle:])]
    return inclusion_proof(leaves[middle:], index - middle) + [tree_root(leaves[:middle])]


def consistency_proof(leaves, first, second=None):
    """The hashes that prove that the tree of `first` leaves is the beginning of that of `second`."""
    leaves = leaves[:len(leaves) if second is None else second]
    return [] if first in (0, len(leaves)) else _subproof(leaves, first, True)


def _subproof(leaves, first, whole):
    if first == len(leaves):
        return [] if whole else [tree_root(leaves)]
    middle = _split(len(leaves))
    if first <= middle:
        return _subproof(leaves[:middle], first, whole) + [tree_root(leaves[middle:])]
    return _subproof(leaves[middle:], first - middle, False) + [tree_root(leaves[:middle])]


def verify_inclusion(leaf, index, size, proof, root):
    """RFC 9162 §2.1.3.2."""
    if index >= size:
        return False
    fn, sn, result = index, size - 1, leaf
    for part in proof:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            result = node_hash(part, result)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            result = node_hash(result, part)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and result == root


# ---- Notes and checkpoints (lib/note; c2sp.org/signed-note, tlog-checkpoint)

def note_hash(name, public):
    """The 4 bytes by which a note's signature lines name a key."""
    return hashlib.sha256(name.encode() + b"\n\x01" + public).digest()[:4]


def vkey(name, public):
    return "%s+%s+%s" % (name, note_hash(name, public).hex(), b64(b"\x01" + public))


def vkey_public(text):
    name, _, key = text.split("+", 2)
    return name, base64.b64decode(key)[1:]


def checkpoint(name, size, root, seed):
    text = "%s\n%d\n%s\n" % (name, size, b64(root))
    public = keypair(seed)[0]
    return text + "\n\u2014 %s %s\n" % (name, b64(note_hash(name, public) + sign(bytes(seed), text.encode())))


def checkpoint_open(text, verifier):
    """(size, root) of a checkpoint whose signature fits the verifier key, else ValueError."""
    name, public = vkey_public(verifier)
    body, signatures = text.rsplit("\n\n", 1)
    body += "\n"
    origin, size, root = body.split("\n")[:3]
    for line in signatures.splitlines():
        dash, signer, value = line.split(" ", 2)
        value = base64.b64decode(value)
        if signer == name and value[:4] == note_hash(name, public) and verify(public, body.encode(), value[4:]):
            if origin == name:
                return int(size), base64.b64decode(root)
    raise ValueError("no signature of %s" % name)


def witness_hash(name, public):
    return hashlib.sha256(name.encode() + b"\n\x04" + public).digest()[:4]


def witness_vkey(name, public):
    return "%s+%s+%s" % (name, witness_hash(name, public).hex(), b64(b"\x04" + public))


def cosigned_by(text, vkeys):
    """{name: time} of the witnesses, given by verifier keys, whose cosignature/v1 on the note is good."""
    body, signatures = text.rsplit("\n\n", 1)
    body, found = (body + "\n").encode(), {}
    for line in signatures.splitlines():
        _, signer, value = line.split(" ", 2)
        value = base64.b64decode(value)
        for vkey in vkeys:
            name, public = vkey_public(vkey)
            if signer == name and value[:4] == witness_hash(name, public) and len(value) == 76:
                time_s = int.from_bytes(value[4:12], "big")
                if verify(public, b"cosignature/v1\ntime %d\n" % time_s + body, value[12:]):
                    found[name] = time_s
    return found


# ---- Sealing (lib/contract)

def seal(public_x25519, message):
    """A sealed box (crypto_box_seal)."""
    message = _bytes(message)
    out = ctypes.create_string_buffer(len(message) + SEAL_BYTES)
    if _call("crypto_box_seal", out, message, _length(message), bytes(public_x25519)) != 0:
        raise ValueError("not a key that can be sealed to")
    return out.raw


def unseal(public_x25519, secret_x25519, box):
    """What a sealed box holds, or None."""
    if len(box) < SEAL_BYTES:
        return None
    out = ctypes.create_string_buffer(len(box) - SEAL_BYTES + 1)
    if _call("crypto_box_seal_open", out, bytes(box), _length(box), bytes(public_x25519), bytes(secret_x25519)) != 0:
        return None
    return out.raw[:len(box) - SEAL_BYTES]


open_box = unseal


def aead_encrypt(message, additional, nonce, key):
    """XChaCha20-Poly1305 (IETF)."""
    message = _bytes(message)
    out = ctypes.create_string_buffer(len(message) + 16)
    _call("crypto_aead_xchacha20poly1305_ietf_encrypt", out, None, message, _length(message), bytes(additional), _length(additional),
          None, bytes(nonce), bytes(key))
    return out.raw


def aead_decrypt(box, additional, nonce, key):
    """The message, or None."""
    if len(box) < 16:
        return None
    out = ctypes.create_string_buffer(len(box) - 16 + 1)
    if _call("crypto_aead_xchacha20poly1305_ietf_decrypt", out, None, None, bytes(box), _length(box), bytes(additional),
             _length(additional), bytes(nonce), bytes(key)) != 0:
        return None
    return out.raw[:len(box) - 16]


def contract_seal(workloads, additional, readers):
    """The `private` object of a contract (additional: its 16-byte nonce) or result (the 32 bytes of the contract's id); readers: {id: X25519
    public key}."""
    key, nonce = os.urandom(32), os.urandom(24)
    text = json.dumps({"workloads": workloads}, separators=(",", ":"))
    return {"nonce": b64(nonce), "ciphertext": b64(aead_encrypt(text, additional, nonce, key)),
            "keys": {name: b64(seal(public, key)) for name, public in readers.items()}}


def contract_unseal(private, reader, public_x25519, secret_x25519, additional):
    """The workloads, or None."""
    box = private["keys"].get(reader)
    key = box and unseal(public_x25519, secret_x25519, base64.b64decode(box))
    text = key and aead_decrypt(base64.b64decode(private["ciphertext"]), additional, base64.b64decode(private["nonce"]), key)
    return text and json.loads(text)["workloads"]


def self_test():
    # RFC 8032 §7.1, test 2
    seed = bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
    public, secret = keypair(seed)
    assert public.hex() == "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
    assert sign(secret, b"\x72").hex().startswith("92a009a9f0d4cab8720e820b5f642540")
    assert verify(public, b"\x72", sign(seed, b"\x72")) and not verify(public, b"\x73", sign(seed, b"\x72"))
    assert b58decode(b58encode(public)) == public and b58encode(b"\0" * 32) == "1" * 32
    text = envelope("bot", {"name": "a-bot"}, seed)
    assert envelope_signer(text) == identity(seed) and len(statement_id(text)) == 64 and statement_kind(text) == "bot"
    # DSSE's protocol.md
    assert pae("http://example.com/HelloWorld", b"hello world") == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    leaves = [leaf_hash(bytes([n])) for n in range(13)]
    for size in range(1, 14):
        for index in range(size):
            assert verify_inclusion(leaves[index], index, size, inclusion_proof(leaves, index, size), tree_root(leaves[:size]))
    # the example of RFC 6962 §2.1.3: seven leaves, from 3, from 4, from 6
    assert [len(consistency_proof(leaves, n, 7)) for n in (3, 4, 6)] == [4, 1, 3]
    note = checkpoint("example", 13, tree_root(leaves), seed)
    assert checkpoint_open(note, vkey("example", public)) == (13, tree_root(leaves))
    sealing = derive_x25519(seed, b"zos-seal")
    bot = as_x25519(bytes(range(32)))
    private = contract_seal([{"name": "a"}], b"n" * 16, {"node": sealing[0], "bot": bot[0]})
    assert contract_unseal(private, "bot", *bot, b"n" * 16) == [{"name": "a"}]
    assert contract_unseal(private, "node", *sealing, b"n" * 16) == [{"name": "a"}]
    assert contract_unseal(private, "bot", *sealing, b"n" * 16) is None
    assert contract_unseal(private, "bot", *bot, b"m" * 16) is None
    print("sodium.py: all as expected")


if __name__ == "__main__":
    self_test()
