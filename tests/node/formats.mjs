// An application of somebody else's that is told things in its own form: npm openid-client and jose, nothing of ours.
//
// Arguments: the issuer, an initial access token, a user name, a password. Prints one line of JSON: what the client
// saw, or {"error": "..."}.

import * as oidc from "openid-client";
import { Browser } from "./browser.mjs";

const [issuer, initialAccessToken, username, password] = process.argv.slice(2);
const redirectUri = "http://127.0.0.1:51007/callback"; // nobody listens: the browser only reads where it is sent

/** Registers a client, logs the user in, and gives what userinfo and introspection say of them. */
async function logIn(metadata) {
  const http = { execute: [oidc.allowInsecureRequests, oidc.enableNonRepudiationChecks], initialAccessToken };
  const wanted = {
    redirect_uris: [redirectUri],
    grant_types: ["authorization_code"],
    introspection_signed_response_alg: "ES256",
    id_token_signed_response_alg: "ES256",
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
  const signed = await logIn({ userinfo_signed_response_alg: "ES256" });
  console.log(JSON.stringify({ signed }));
} catch (error) {
  console.log(JSON.stringify({ error: `${error.stack} ${error.cause?.stack ?? ""}` }));
}
