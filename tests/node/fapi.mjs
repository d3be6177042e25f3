// An application of somebody else's that keeps to the FAPI 2.0 Security Profile, with npm openid-client and nothing of ours.
//
// Arguments: the issuer, a user name, a password, a client that has http://127.0.0.1/callback registered, and its P-256 key as a
// JWK. Prints one line of JSON: what it saw, or {"error": "..."}.

import * as oidc from "openid-client";
import { Browser } from "./browser.mjs";

const [issuer, username, password, id, jwk] = process.argv.slice(2);
const redirect_uri = "http://127.0.0.1:51004/callback"; // nobody listens: the browser below only reads where it is sent

async function everything() {
  const { kid, ...key } = JSON.parse(jwk);
  const own = { key: await crypto.subtle.importKey("jwk", key, { name: "ECDSA", namedCurve: "P-256" }, false, ["sign"]), kid };
  const http = { execute: [oidc.allowInsecureRequests] };
  const config = await oidc.discovery(new URL(issuer), id, undefined, oidc.PrivateKeyJwt(own), http);
  const DPoP = oidc.getDPoPHandle(config, await oidc.randomDPoPKeyPair("ES256"));
  const [verifier, state, nonce] = [oidc.randomPKCECodeVerifier(), oidc.randomState(), oidc.randomNonce()];
  const asked = {
    redirect_uri,
    scope: "openid offline_access orders:read",
    code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
    code_challenge_method: "S256",
    state,
    nonce,
  };
  // Nobody has logged in, so a page says what is wrong, and its link would tell the application.
  const refused = await (await fetch(oidc.buildAuthorizationUrl(config, asked))).text();
  const url = await oidc.buildAuthorizationUrlWithPAR(config, asked, { DPoP });
  const back = await new Browser().authorize(url, { username, password });
  const checks = { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, idTokenExpected: true };
  const tokens = await oidc.authorizationCodeGrant(config, back, checks, undefined, { DPoP });
  const info = await oidc.fetchUserInfo(config, tokens.access_token, tokens.claims().sub, { DPoP });
  const next = await oidc.refreshTokenGrant(config, tokens.refresh_token, undefined, { DPoP });
  const again = await oidc.refreshTokenGrant(config, tokens.refresh_token, undefined, { DPoP });
  let withoutKey;
  try {
    await oidc.refreshTokenGrant(config, next.refresh_token);
  } catch (error) {
    withoutKey = error.error;
  }
  return {
    direct: refused.match(/href="[^"]*[?&;]error=([a-z_]+)/)?.[1],
    tokenTypes: [tokens.token_type, next.token_type],
    sameRefreshToken: [next, again].every(({ refresh_token }) => refresh_token === tokens.refresh_token),
    otherAccessToken: next.access_token !== again.access_token,
    subject: info.sub === tokens.claims().sub,
    withoutKey,
  };
}

try {
  console.log(JSON.stringify(await everything()));
} catch (error) {
  console.log(JSON.stringify({ error: `${error.stack} ${JSON.stringify(error.cause)}` }));
}
