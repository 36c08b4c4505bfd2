// verify.js, the page's own check, held against tests/fixtures/ed25519.vectors, against texts in more than one form, and against
// statements that a directory serves: node signatures.mjs VERIFY.JS VECTORS STATEMENTS, the last a JSON array of
// [envelope, id, kind, signer]. Prints a line for each group; ends with 1 at the first that isn't so.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { webcrypto } from "node:crypto";
import { pathToFileURL } from "node:url";

globalThis.crypto ??= webcrypto;
const [module, vectors, statements] = process.argv.slice(2);
const { decodeBase64, decodeId, pae, verifySignature, openEnvelope } = await import(pathToFileURL(module));
const bytes = (hex) => Uint8Array.from(hex === "-" ? [] : hex.match(/../g), (pair) => parseInt(pair, 16));

let count = 0, laxer = 0;
for (const line of readFileSync(vectors, "utf8").split("\n").filter((text) => text && text[0] !== "#")) {
  const [verdict, key, message, signature, ...why] = line.split(" ");
  assert.equal(await verifySignature(bytes(key), bytes(message), bytes(signature)), verdict === "accept", why.join(" "));
  const alone = await crypto.subtle.importKey("raw", bytes(key), "Ed25519", false, ["verify"])
    .then((imported) => crypto.subtle.verify("Ed25519", imported, bytes(signature), bytes(message))).catch(() => false);
  laxer += alone && verdict === "refuse";
  count++;
}
assert.ok(count >= 70);
console.log(`${count} signatures get the verdict of the policy (this engine alone would take ${laxer} that it refuses)`);

for (const text of ["", "Zg==", "Zm8=", "Zm9v", "+//+"]) assert.equal(btoa(String.fromCharCode(...decodeBase64(text))), text);
for (const text of ["Z", "Zg", "Zg=", "Zg===", "Zh==", "Zm9=", "Zm9v=", "=", "====", " Zg==", "Zg== ", "Zg==\n", "Z\ng==", "Zg==Zg==",
  "-__-", "Zm9v\u00e9", "Zm8", 7, null]) assert.throws(() => decodeBase64(text), undefined, text);
console.log("base64 has one form");

const hex = (array) => Buffer.from(array).toString("hex");
for (const [text, value] of [["1".repeat(32), "00".repeat(32)], ["1".repeat(31) + "2", "00".repeat(31) + "01"], ["JEKNVnkbo3jma5nREBBJCDoXFVeKkD56V3xKrvRmWxFG", "ff".repeat(32)],
  ["FVen3X669xLzsi6N2V91DoiyzHzg1uAgqiT8jZ9nS96Z", "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"]]) assert.equal(hex(decodeId(text)), value);
for (const text of ["", "1", "1".repeat(31), "1".repeat(33), "JEKNVnkbo3jma5nREBBJCDoXFVeKkD56V3xKrvRmWxFH", "z".repeat(44),
  "JEKNVnkbo3jma5nREBBJCDoXFVeKkD56V3xKrvRmWx", "1FVen3X669xLzsi6N2V91DoiyzHzg1uAgqiT8jZ9nS96Z", "FVen3X669xLzsi6N2V91DoiyzHzg1uAgqiT8jZ9nS960",
  "FVen3X669xLzsi6N2V91DoiyzHzg1uAgqiT8jZ9nS96l", " FVen3X669xLzsi6N2V91DoiyzHzg1uAgqiT8jZ9nS96Z", "FVen3X669xLzsi6N2V91DoiyzHzg1uAgqiT8jZ9nS96Z\n", null])
  assert.throws(() => decodeId(text), undefined, text);
console.log("an id has one form");

assert.equal(Buffer.from(pae("http://example.com/HelloWorld", Buffer.from("hello world"))).toString(), "DSSEv1 29 http://example.com/HelloWorld 11 hello world");
for (const [envelope, id, kind, signer] of JSON.parse(readFileSync(statements, "utf8"))) {
  const opened = await openEnvelope(envelope);
  assert.deepEqual([opened.id, opened.kind, opened.signer, opened.payload.version], [id, kind, signer, 1]);
  const parsed = JSON.parse(envelope);
  const change = (text) => (text[0] === "A" ? "B" : "A") + text.slice(1);
  for (const altered of [{ ...parsed, payload: change(parsed.payload) }, { ...parsed, payloadType: parsed.payloadType.replace(kind, "bat") },
    { ...parsed, signatures: [{ ...parsed.signatures[0], sig: change(parsed.signatures[0].sig) }] }, { ...parsed, extra: 1 },
    { ...parsed, signatures: [...parsed.signatures, ...parsed.signatures] }, { ...parsed, signatures: [] }, {}])
    await assert.rejects(openEnvelope(JSON.stringify(altered)));
}
console.log("statements that the directory serves are opened, altered ones aren't");
