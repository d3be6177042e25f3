// An independent service: verifies tokens with npm jose and nothing of ours.
//
// Arguments: the JWK Set's URL, the issuer, the audience, and for tokens that are encrypted a file with the service's private
// JWK. One token a line on standard input, one JSON answer a line on
// standard output: {"claims": {...}} or {"error": "the error's code"}.

import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { compactDecrypt, createRemoteJWKSet, importJWK, jwtVerify } from "jose";

const [jwksUri, issuer, audience, keyFile] = process.argv.slice(2);
const jwk = keyFile && JSON.parse(readFileSync(keyFile, "utf8"));
const decryptionKey = jwk && (await importJWK(jwk, jwk.alg));
const keySet = createRemoteJWKSet(new URL(jwksUri));
const options = {
  issuer,
  audience,
  typ: "at+jwt",
  algorithms: ["ES256"],
  requiredClaims: ["iss", "sub", "aud", "exp", "iat", "jti"],
};

/** The signed token in an encrypted one. */
async function open(token) {
  const options = { keyManagementAlgorithms: [jwk.alg], contentEncryptionAlgorithms: ["A256GCM"] };
  const { plaintext, protectedHeader } = await compactDecrypt(token, decryptionKey, options);
  if (protectedHeader.cty !== "JWT" || protectedHeader.kid !== jwk.kid) throw new Error("another message");
  return new TextDecoder().decode(plaintext);
}

for await (const token of createInterface({ input: process.stdin })) {
  try {
    const signed = jwk ? await open(token.trim()) : token.trim();
    const { payload } = await jwtVerify(signed, keySet, options);
    console.log(JSON.stringify({ claims: payload }));
  } catch (error) {
    console.log(JSON.stringify({ error: error.code ?? error.name }));
  }
}
