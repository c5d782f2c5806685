// Signs and verifies for the Go test beside this directory: reads one JSON object
// from stdin, {sign: […], verify: […]}, and writes the answers to stdout.
// Version v1 is the library's; for v1a, which it does not have, node:crypto
// stands in as an implementation of ed25519 that is not Go's.
import { createPrivateKey, createPublicKey, sign, verify } from "node:crypto";
import { text } from "node:stream/consumers";
import { Webhook } from "standardwebhooks";

// The DER that precedes a seed (RFC 8410, PKCS #8) and a public key (SPKI).
const seedPrefix = Buffer.from("302e020100300506032b657004220420", "hex");
const publicPrefix = Buffer.from("302a300506032b6570032100", "hex");

const bytes = (key) => Buffer.from(key.replace(/^wh[sp]k_/, ""), "base64");
const message = (c) => Buffer.from(`${c.id}.${c.timestamp}.${c.body}`);

function signOne(c) {
  if (c.key.startsWith("whsec_")) {
    return new Webhook(c.key).sign(c.id, new Date(c.timestamp * 1000), c.body);
  }
  const der = Buffer.concat([seedPrefix, bytes(c.key).subarray(0, 32)]);
  const key = createPrivateKey({ key: der, format: "der", type: "pkcs8" });
  return "v1a," + sign(null, message(c), key).toString("base64");
}

function verifyOne(c) {
  if (c.key.startsWith("whsec_")) {
    try {
      new Webhook(c.key).verify(c.body, c.headers, { jsonParse: false });
      return true;
    } catch {
      return false;
    }
  }
  const der = Buffer.concat([publicPrefix, bytes(c.key)]);
  const key = createPublicKey({ key: der, format: "der", type: "spki" });
  return c.headers["webhook-signature"].split(" ").some((token) => {
    const [version, signature] = token.split(",");
    return version === "v1a" && verify(null, message(c), key, Buffer.from(signature, "base64"));
  });
}

const input = JSON.parse(await text(process.stdin));
process.stdout.write(JSON.stringify({ sign: input.sign.map(signOne), verify: input.verify.map(verifyOne) }));
