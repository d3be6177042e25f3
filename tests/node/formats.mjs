// An application of somebody else's that is told things in its own form: npm openid-client and jose, nothing of ours.
//
// Arguments: the issuer, an initial access token, a user name, a password. Prints one line of JSON: what the client
// saw, or {"error": "..."}.

import { exportJWK, generateKeyPair } from "jose";
import * as oidc from "openid-client";
import { Browser } from "./browser.mjs";

const [issuer, initialAccessToken, username, password] = process.argv.slice(2);
const redirectUri = "http://127.0.0.1:51007/callback"; // nobody listens: the browser only reads where it is sent

/** Registers a client, logs the user in, and gives what userinfo and introspection say of them. */
async function logIn(metadata, ...execute) {
  const common = [oidc.allowInsecureRequests, oidc.enableNonRepudiationChecks];
  const http = { execute: [...common, ...execute], initialAccessToken };
  const wanted = {
    redirect_uris: [redirectUri],
    grant_types: ["authorization_code"],
    introspection_signed_response_alg: "ES256",
    ...metadata,
  };
  const config = await oidc.dynamicClientRegistration(new URL(issuer), wanted, undefined, http);
  const verifier = oidc.randomPKCECodeVerifier();
  const url = oidc.buildAuthorizationUrl(config, {
    redirect_uri: redirectUri,
    scope: "openid profile",
    code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
    code_challenge_method: "S256",
    nonce: "n",
  });
  const back = await new Browser().authorize(url, { username, password });
  const checks = { pkceCodeVerifier: verifier, expectedNonce: "n" };
  const tokens = await oidc.authorizationCodeGrant(config, back, checks);
  const { sub } = tokens.claims();
  const info = await oidc.fetchUserInfo(config, tokens.access_token, sub);
  const introspected = await oidc.tokenIntrospection(config, tokens.access_token);
  return { sub, username: info.preferred_username, active: introspected.active, introspectedSub: introspected.sub };
}

try {
  const signed = await logIn({ id_token_signed_response_alg: "ES256", userinfo_signed_response_alg: "ES256" });
  // RS256 is what signs the ID tokens of a client that says nothing, and what this library takes then.
  const rs256 = await logIn({ userinfo_signed_response_alg: "RS256" });
  const encrypted = {};
  for (const alg of ["RSA-OAEP-256", "ECDH-ES+A256KW"]) {
    const { publicKey, privateKey: key } = await generateKeyPair(alg);
    const jwk = { ...(await exportJWK(publicKey)), kid: "enc", use: "enc", alg };
    const wanted = {
      jwks: { keys: [jwk] },
      authorization_signed_response_alg: "ES256",
      userinfo_signed_response_alg: "ES256",
    };
    for (const told of ["id_token", "userinfo", "authorization", "introspection"]) {
      wanted[`${told}_encrypted_response_alg`] = alg;
      wanted[`${told}_encrypted_response_enc`] = "A256GCM";
    }
    const decrypting = (config) => oidc.enableDecryptingResponses(config, ["A256GCM"], { key, kid: "enc", alg });
    encrypted[alg] = await logIn(wanted, decrypting, oidc.useJwtResponseMode);
  }
  console.log(JSON.stringify({ signed, rs256, encrypted }));
} catch (error) {
  console.log(JSON.stringify({ error: `${error.stack} ${error.cause?.stack ?? ""}` }));
}
