// An independent service: verifies tokens with npm jose and nothing of ours.
//
// Arguments: the JWK Set's URL, the issuer, the audience. One token a line on standard input, one JSON answer a line on
// standard output: {"claims": {...}} or {"error": "the error's code"}.

import { createInterface } from "node:readline";
import { createRemoteJWKSet, jwtVerify } from "jose";

const [jwksUri, issuer, audience] = process.argv.slice(2);
const keySet = createRemoteJWKSet(new URL(jwksUri));
const options = {
  issuer,
  audience,
  typ: "at+jwt",
  algorithms: ["ES256"],
  requiredClaims: ["iss", "sub", "aud", "exp", "iat", "jti"],
};

for await (const token of createInterface({ input: process.stdin })) {
  try {
    const { payload } = await jwtVerify(token.trim(), keySet, options);
    console.log(JSON.stringify({ claims: payload }));
  } catch (error) {
    console.log(JSON.stringify({ error: error.code ?? error.name }));
  }
}
