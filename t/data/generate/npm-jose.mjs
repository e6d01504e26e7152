// Writes ../npm-jose.json: a token for each algorithm that npm's jose supports, with new keys.
//   npm ci && npx node@24.9.0 npm-jose.mjs
// ML-DSA takes node 24.7 or later.
import { readFileSync, writeFileSync } from "node:fs";
import * as jose from "jose";

const claims = '{"iss":"npm jose","sub":"vector","n":1.50,"list":["a",2]}';
const payload = new TextEncoder().encode(claims);
const keys = [];
const tokens = [];

async function newKey(kid, alg, options) {
  const pair = await jose.generateKeyPair(alg, { extractable: true, ...options });
  keys.push({ ...(await jose.exportJWK(pair.privateKey)), kid });
  return kid;
}

function newSecret(kid, bytes) {
  const k = jose.base64url.encode(crypto.getRandomValues(new Uint8Array(bytes)));
  keys.push({ kty: "oct", k, kid });
  return kid;
}

function key(kid, alg, half) {
  const { d, p, q, dp, dq, qi, ...jwk } = keys.find((key) => key.kid === kid);
  return jose.importJWK(half === "public" ? jwk : { ...jwk, ...(d && { d, p, q, dp, dq, qi }) }, alg);
}

async function sign(alg, kid) {
  const signer = new jose.CompactSign(payload).setProtectedHeader({ alg, kid, typ: "JWT" });
  tokens.push({ alg, token: await signer.sign(await key(kid, alg)) });
}

async function encrypt(alg, enc, kid, parties = {}) {
  const encrypter = new jose.CompactEncrypt(payload).setProtectedHeader({ alg, enc, kid });
  encrypter.setKeyManagementParameters(parties);
  const usage = alg === "dir" ? enc : alg;
  tokens.push({ alg, enc, token: await encrypter.encrypt(await key(kid, usage, "public")) });
}

await newKey("rsa", "RS256", { modulusLength: 2048 });
for (const bits of [256, 384, 512]) {
  await sign(`HS${bits}`, newSecret(`secret-${bits}`, bits / 8));
  await sign(`RS${bits}`, "rsa");
  await sign(`PS${bits}`, "rsa");
  await sign(`ES${bits}`, await newKey(`ec-${bits}`, `ES${bits}`));
}
await newKey("ed25519", "Ed25519");
await sign("EdDSA", "ed25519");
for (const bits of [44, 65, 87]) await sign(`ML-DSA-${bits}`, await newKey(`ml-dsa-${bits}`, `ML-DSA-${bits}`));
await sign("Ed25519", "ed25519");

const curves = ["P-256", "P-384", "P-521", "X25519"];
for (const crv of curves) await newKey(crv, "ECDH-ES", { crv });

const encryptions = {
  "A128CBC-HS256": 32, "A192CBC-HS384": 48, "A256CBC-HS512": 64, A128GCM: 16, A192GCM: 24, A256GCM: 32,
};
const wrappings = [128, 192, 256].map((bits) => [bits, newSecret(`aes-${bits}`, bits / 8)]);
let round = 0;
for (const [enc, bytes] of Object.entries(encryptions)) {
  await encrypt("dir", enc, newSecret(`dir-${enc}`, bytes));
  for (const alg of ["RSA-OAEP", "RSA-OAEP-256", "RSA-OAEP-384", "RSA-OAEP-512"]) await encrypt(alg, enc, "rsa");
  // Each of the four curves meets each algorithm.
  const agreements = ["ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A192KW", "ECDH-ES+A256KW"];
  for (const [n, alg] of agreements.entries()) {
    const parties = n % 2 ? { apu: payload, apv: payload.subarray(0, 1) } : {};
    await encrypt(alg, enc, curves[(n + round) % curves.length], parties);
  }
  round += 1;
  for (const [bits, kid] of wrappings) {
    await encrypt(`A${bits}KW`, enc, kid);
    await encrypt(`A${bits}GCMKW`, enc, kid);
  }
}

const { version } = JSON.parse(readFileSync(new URL("node_modules/jose/package.json", import.meta.url)));
const file = { library: `npm jose ${version}`, claims, keys, tokens };
const lines = JSON.stringify(file).replaceAll(/(?=\{"(kty|alg)")/g, "\n");
writeFileSync(new URL("../npm-jose.json", import.meta.url), lines + "\n");
