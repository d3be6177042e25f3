// A native application of somebody else's that binds what it gets to a key, with npm openid-client and nothing of ours.
//
// Arguments: the issuer, a user name, a password, a public client that has http://127.0.0.1/callback registered, the URL of
// an API, and those of others. Prints one line of JSON: what it saw, or {"error": "..."}.

import * as oidc from "openid-client";
import { Browser } from "./browser.mjs";

const [issuer, username, password, id, api, ...others] = process.argv.slice(2);
const redirect_uri = "http://127.0.0.1:51004/callback"; // nobody listens: the browser below only reads where it is sent

/** The error of something that must not succeed. */
async function refused(promise) {
  try {
    await promise;
    return "nothing was refused";
  } catch (error) {
    return error.error ?? error.cause?.[0]?.parameters?.error ?? error.code ?? error.message;
  }
}

async function everything() {
  const config = await oidc.discovery(new URL(issuer), id, undefined, oidc.None(), { execute: [oidc.allowInsecureRequests] });
  const keys = await oidc.randomDPoPKeyPair();
  const DPoP = oidc.getDPoPHandle(config, keys);
  const verifier = oidc.randomPKCECodeVerifier();
  const url = oidc.buildAuthorizationUrl(config, {
    redirect_uri,
    scope: "openid offline_access orders:read",
    code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
    code_challenge_method: "S256",
    dpop_jkt: await DPoP.calculateThumbprint(),
  });
  const back = await new Browser().authorize(url, { username, password });
  const first = await oidc.authorizationCodeGrant(config, back, { pkceCodeVerifier: verifier }, undefined, { DPoP });
  const next = await oidc.refreshTokenGrant(config, first.refresh_token, undefined, { DPoP });
  const info = await oidc.fetchUserInfo(config, next.access_token, first.claims().sub, { DPoP });
  const callAt = (url, options) =>
    oidc.fetchProtectedResource(config, next.access_token, new URL(url), "GET", undefined, undefined, options);
  const call = (options) => callAt(api, options);
  const thief = { DPoP: oidc.getDPoPHandle(config, await oidc.randomDPoPKeyPair()) };
  return {
    tokenTypes: [first.token_type, next.token_type],
    rotated: first.refresh_token !== next.refresh_token,
    sub: info.sub,
    api: (await call({ DPoP })).status,
    others: await Promise.all(others.map(async (url) => (await callAt(url, { DPoP })).status)),
    stolenAccessToken: await refused(call(thief)),
    asBearer: await refused(call()),
    stolenRefreshToken: await refused(oidc.refreshTokenGrant(config, next.refresh_token, undefined, thief)),
    refreshWithoutProof: await refused(oidc.refreshTokenGrant(config, next.refresh_token)),
    afterwards: (await oidc.refreshTokenGrant(config, next.refresh_token, undefined, { DPoP })).token_type,
  };
}

try {
  console.log(JSON.stringify(await everything()));
} catch (error) {
  console.log(JSON.stringify({ error: `${error.stack} ${JSON.stringify(error.cause)}` }));
}
