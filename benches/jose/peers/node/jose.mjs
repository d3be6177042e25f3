// jose as its documentation uses it: keys imported once, `jwtVerify` with every check it knows.
import { CompactEncrypt, SignJWT, compactDecrypt, importJWK, jwtVerify } from "jose";
import { sit } from "./sit.mjs";

async function verifier(exam, { alg, key }) {
  const imported = await keyOf(key.public_jwk, alg);
  if (!imported) return undefined;
  const options = {
    algorithms: [alg],
    issuer: exam.issuer,
    audience: exam.audience,
    typ: exam.typ,
    requiredClaims: ["exp"],
    clockTolerance: 60,
  };
  return (token) => jwtVerify(token, imported, options);
}

async function signer(exam, { alg, key }) {
  const imported = await keyOf(key.private_jwk, alg);
  if (!imported) return undefined;
  const header = { alg, typ: exam.typ, kid: exam.kid };
  return (claims) => new SignJWT(claims).setProtectedHeader(header).sign(imported);
}

async function decrypter(exam, { alg: pair, key }) {
  const [alg, enc] = algorithms(pair);
  const imported = await importJWK(key.private_jwk, alg);
  const options = { keyManagementAlgorithms: [alg], contentEncryptionAlgorithms: [enc] };
  return (token) => compactDecrypt(token, imported, options);
}

async function encrypter(exam, { alg: pair, key }) {
  const [alg, enc] = algorithms(pair);
  const imported = await importJWK(key.public_jwk, alg);
  const header = { alg, enc, kid: exam.kid };
  const encoder = new TextEncoder();
  return (claims) => {
    const payload = encoder.encode(JSON.stringify(claims));
    return new CompactEncrypt(payload).setProtectedHeader(header).encrypt(imported);
  }
}

function algorithms(pair) {
  const at = pair.lastIndexOf("+");
  return [pair.slice(0, at), pair.slice(at + 1)];
}

/** Nothing where this version of Node does not have the algorithm. */
async function keyOf(jwk, alg) {
  try {
    return await importJWK(jwk, alg);
  } catch (error) {
    if (jwk.kty === "AKP") return undefined;
    throw error;
  }
}

await sit({ verifier, signer, decrypter, encrypter });
