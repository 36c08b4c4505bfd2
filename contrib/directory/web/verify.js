// Checks statements in the reader's own browser: the DSSE envelope, its id, its signature; with the same verdicts as lib/key
// (lib/README.md, «Signatures»). WebCrypto does the arithmetic; what its engines differ in is looked at here first.

const ORDER = 2n ** 252n + 27742317777372353535851937790883648493n; // RFC 8032 §5.1
const PRIME = 2n ** 255n - 19n;
const EIGHTH_Y = 2707385501144840649318225287225658788936804267575313519463743609750303402022n; // of a point of order 8
const SMALL_Y = new Set([0n, 1n, PRIME - 1n, EIGHTH_Y, PRIME - EIGHTH_Y]); // of all points whose order divides 8
const BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
const TYPE = /^application\/vnd\.zos\.([a-z]+)\+json$/;

const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
const littleEndian = (bytes) => BigInt(`0x${hex(bytes.slice().reverse())}`);

// The bytes of base64 with padding; its one form, or an Error: four characters to a group, no bits left over.
export function decodeBase64(text) {
  const form = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?$/;
  if (typeof text !== "string" || !form.test(text)) throw new Error("isn't base64 with padding");
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}

// The 32 bytes of an id; its one form, or an Error.
export function decodeId(text) {
  if (typeof text !== "string" || !/^[1-9A-HJ-NP-Za-km-z]{32,44}$/.test(text)) throw new Error("isn't an id");
  let value = 0n;
  for (const digit of text) value = value * 58n + BigInt(BASE58.indexOf(digit));
  const bytes = Uint8Array.from(value.toString(16).padStart(64, "0").match(/../g), (pair) => parseInt(pair, 16));
  const zeros = bytes.findIndex((byte) => byte), ones = text.search(/[^1]/); // -1: all of them
  if (value >> 256n || (zeros < 0 ? text.length !== 32 : ones !== zeros)) throw new Error("isn't the id of 32 bytes");
  return bytes;
}

// One encoding, and not of small order.
function isPoint(bytes) {
  const y = littleEndian(bytes) & (2n ** 255n - 1n);
  return y < PRIME && !SMALL_Y.has(y);
}

// Whether the signature (64 bytes) of the message is that of the key (32 bytes).
export async function verifySignature(key, message, signature) {
  if (key.length !== 32 || signature.length !== 64 || littleEndian(signature.subarray(32)) >= ORDER) return false;
  if (!isPoint(key) || !isPoint(signature.subarray(0, 32))) return false;
  try {
    const imported = await crypto.subtle.importKey("raw", key, "Ed25519", false, ["verify"]);
    return await crypto.subtle.verify("Ed25519", imported, signature, message);
  } catch (error) {
    if (error.name === "NotSupportedError") throw error; // of the browser, not of the signature
    return false; // not a point of the curve
  }
}

// What is signed (github.com/secure-systems-lab/dsse, protocol.md).
export function pae(type, payload) {
  const typeBytes = new TextEncoder().encode(type);
  const head = new TextEncoder().encode(`DSSEv1 ${typeBytes.length} ${type} ${payload.length} `);
  const bytes = new Uint8Array(head.length + payload.length);
  bytes.set(head);
  bytes.set(payload, head.length);
  return bytes;
}

function hasKeys(object, ...names) {
  return object !== null && typeof object === "object" && Object.keys(object).sort().join() === names.sort().join();
}

// {id, kind, signer, payload} of an envelope (text) whose signature is its signer's, or an Error that says what is wrong.
export async function openEnvelope(text) {
  const envelope = JSON.parse(text);
  if (!hasKeys(envelope, "payloadType", "payload", "signatures") || envelope.signatures.length !== 1 ||
      !hasKeys(envelope.signatures[0], "keyid", "sig")) throw new Error("isn't an envelope with one signature");
  const kind = TYPE.exec(envelope.payloadType), { keyid, sig } = envelope.signatures[0];
  if (!kind) throw new Error("isn't a statement");
  const payload = decodeBase64(envelope.payload), message = pae(envelope.payloadType, payload);
  if (!await verifySignature(decodeId(keyid), message, decodeBase64(sig))) throw new Error(`isn't signed by ${keyid}`);
  const id = hex(new Uint8Array(await crypto.subtle.digest("SHA-256", message)));
  return { id, kind: kind[1], signer: keyid, payload: JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(payload)) };
}
