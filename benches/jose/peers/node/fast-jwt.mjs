// fast-jwt as its README uses it: a verifier and a signer per key, no cache of seen tokens, because
// nobody else in the table has one.
import { createPrivateKey, createPublicKey } from "node:crypto";
import { createSigner, createVerifier } from "fast-jwt";
import { sit } from "./sit.mjs";

const ALGORITHMS = ["HS256", "RS256", "PS256", "ES256", "EdDSA"];

function verifier(exam, { alg, key }) {
  if (!ALGORITHMS.includes(alg)) return undefined;
  return createVerifier({
    key: publicKey(key.public_jwk),
    algorithms: [alg],
    allowedIss: exam.issuer,
    allowedAud: exam.audience,
    checkTyp: exam.typ,
    requiredClaims: ["iss", "aud", "exp"],
    clockTolerance: 60_000,
    cache: false,
  });
}

function signer(exam, { alg, key }) {
  if (!ALGORITHMS.includes(alg)) return undefined;
  const header = { typ: exam.typ };
  return createSigner({ key: privateKey(key), algorithm: alg, kid: exam.kid, header, noTimestamp: false });
}

function publicKey(jwk) {
  if (jwk.kty === "oct") return Buffer.from(jwk.k, "base64url");
  return createPublicKey({ key: jwk, format: "jwk" }).export({ type: "spki", format: "pem" });
}

function privateKey({ private_jwk: jwk }) {
  if (jwk.kty === "oct") return Buffer.from(jwk.k, "base64url");
  return createPrivateKey({ key: jwk, format: "jwk" }).export({ type: "pkcs8", format: "pem" });
}

await sit({ verifier, signer });
