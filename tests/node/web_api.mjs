// A native application of somebody else's: logs a user in with npm oauth4webapi, step by step, and nothing of ours.
//
// Arguments: the issuer, a user name, a password, and a public client that has http://127.0.0.1/callback registered. Prints one
// line of JSON: what it saw, or {"error": "..."}.

import * as oauth from "oauth4webapi";
import { Browser } from "./browser.mjs";

const [issuer, username, password, client_id] = process.argv.slice(2);
const redirect_uri = "http://127.0.0.1:51004/callback"; // nobody listens: the browser below only reads where it is sent
const http = { [oauth.allowInsecureRequests]: true };

async function everything() {
  const [url, client, none] = [new URL(issuer), { client_id }, oauth.None()];
  const as = await oauth.processDiscoveryResponse(url, await oauth.discoveryRequest(url, http));
  const [verifier, nonce, state] = [oauth.generateRandomCodeVerifier(), oauth.generateRandomNonce(), oauth.generateRandomState()];
  const authorize = new URL(as.authorization_endpoint);
  const asked = {
    client_id,
    redirect_uri,
    response_type: "code",
    scope: "openid profile offline_access",
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: "S256",
    nonce,
    state,
  };
  for (const [name, value] of Object.entries(asked)) authorize.searchParams.set(name, value);
  const back = await new Browser().authorize(authorize, { username, password });
  const answer = oauth.validateAuthResponse(as, client, back, state);
  const redeem = () => oauth.authorizationCodeGrantRequest(as, client, none, answer, redirect_uri, verifier, http);
  const tokens = await oauth.processAuthorizationCodeResponse(as, client, await redeem(), {
    expectedNonce: nonce,
    requireIdToken: true,
  });
  const claims = oauth.getValidatedIdTokenClaims(tokens);
  const infoAnswer = await oauth.userInfoRequest(as, client, tokens.access_token, http);
  const info = await oauth.processUserInfoResponse(as, client, claims.sub, infoAnswer);
  const refresh = (token) => oauth.refreshTokenGrantRequest(as, client, none, token, http);
  const next = await oauth.processRefreshTokenResponse(as, client, await refresh(tokens.refresh_token));
  const revoked = await oauth.revocationRequest(as, client, none, next.refresh_token, http);
  await oauth.processRevocationResponse(revoked);
  return {
    sub: claims.sub,
    username: info.preferred_username,
    scope: tokens.scope,
    rotated: tokens.refresh_token !== next.refresh_token,
    replay: (await (await redeem()).json()).error,
    afterRevocation: (await (await refresh(next.refresh_token)).json()).error,
  };
}

try {
  console.log(JSON.stringify(await everything()));
} catch (error) {
  console.log(JSON.stringify({ error: `${error.stack} ${JSON.stringify(error.cause)}` }));
}
