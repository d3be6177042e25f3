// npm jose as a peer of gatepass-jose: makes what the library reads and reads what it makes.
//
// One JSON request a line on standard input, one JSON answer a line on standard output. Binary values are base64url;
// `form` is compact, flattened or general, and `token` in the last two a JSON object.
//
//   {"op": "algs"}                                              -> {"sign": [...], "manage": [...], "content": [...]}
//   {"op": "sign", "form", "alg", "key", "payload"}             -> {"token"}
//   {"op": "verify", "form", "alg", "key", "token"}             -> {"payload"}
//   {"op": "encrypt", "form", "alg", "enc", "key", "plaintext"} -> {"token"}
//   {"op": "decrypt", "form", "alg", "enc", "key", "token"}     -> {"plaintext"}

import { createInterface } from "node:readline";
import * as jose from "jose";

const { decode, encode } = jose.base64url;
const SIGN = [
  "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512",
  "ES256", "ES384", "ES512", "EdDSA", "Ed25519", "ML-DSA-44", "ML-DSA-65", "ML-DSA-87",
];
const MANAGE = [
  "dir", "A128KW", "A192KW", "A256KW", "A128GCMKW", "A192GCMKW", "A256GCMKW",
  "RSA-OAEP", "RSA-OAEP-256", "RSA-OAEP-384", "RSA-OAEP-512",
  "ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A192KW", "ECDH-ES+A256KW",
  "PBES2-HS256+A128KW", "PBES2-HS384+A192KW", "PBES2-HS512+A256KW",
];
const CONTENT = ["A128GCM", "A192GCM", "A256GCM", "A128CBC-HS256", "A192CBC-HS384", "A256CBC-HS512"];

/** Whether the runtime beneath the library has the primitive: Node has ML-DSA from version 24 on. */
async function isThere(alg) {
  if (!alg.startsWith("ML-DSA")) return true;
  return jose.generateKeyPair(alg).then(() => true, () => false);
}

async function sign({ form, alg, key, payload }) {
  const [privateKey, bytes, header] = [await jose.importJWK(key, alg), decode(payload), { alg, kid: key.kid }];
  switch (form) {
    case "compact":
      return new jose.CompactSign(bytes).setProtectedHeader(header).sign(privateKey);
    case "flattened":
      return new jose.FlattenedSign(bytes).setProtectedHeader(header).sign(privateKey);
    case "general":
      return new jose.GeneralSign(bytes).addSignature(privateKey).setProtectedHeader(header).sign();
  }
  throw new Error(form);
}

async function verify({ form, alg, key, token }) {
  const check = { compact: jose.compactVerify, flattened: jose.flattenedVerify, general: jose.generalVerify }[form];
  return (await check(token, await jose.importJWK(key, alg), { algorithms: [alg] })).payload;
}

async function encrypt({ form, alg, enc, key, plaintext }) {
  const [publicKey, bytes] = [await jose.importJWK(key, alg), decode(plaintext)];
  const header = { alg, enc, kid: key.kid };
  switch (form) {
    case "compact":
      return new jose.CompactEncrypt(bytes).setProtectedHeader(header).encrypt(publicKey);
    case "flattened":
      return new jose.FlattenedEncrypt(bytes).setProtectedHeader(header).encrypt(publicKey);
    case "general": {
      const message = new jose.GeneralEncrypt(bytes).setProtectedHeader({ enc });
      return message.addRecipient(publicKey).setUnprotectedHeader({ alg, kid: key.kid }).encrypt();
    }
  }
  throw new Error(form);
}

async function decrypt({ form, alg, enc, key, token }) {
  const open = { compact: jose.compactDecrypt, flattened: jose.flattenedDecrypt, general: jose.generalDecrypt }[form];
  const options = { keyManagementAlgorithms: [alg], contentEncryptionAlgorithms: [enc] };
  return (await open(token, await jose.importJWK(key, alg), options)).plaintext;
}

async function answer(request) {
  switch (request.op) {
    case "algs": {
      const there = await Promise.all(SIGN.map(isThere));
      return { sign: SIGN.filter((_, at) => there[at]), manage: MANAGE, content: CONTENT };
    }
    case "sign":
      return { token: await sign(request) };
    case "verify":
      return { payload: encode(await verify(request)) };
    case "encrypt":
      return { token: await encrypt(request) };
    case "decrypt":
      return { plaintext: encode(await decrypt(request)) };
  }
  throw new Error(request.op);
}

for await (const line of createInterface({ input: process.stdin })) {
  try {
    console.log(JSON.stringify(await answer(JSON.parse(line))));
  } catch (error) {
    console.log(JSON.stringify({ error: `${error.code ?? error.name}: ${error.message}` }));
  }
}
