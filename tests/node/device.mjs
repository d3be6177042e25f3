// A device without a browser, with npm openid-client and nothing of ours.
//
// Arguments: the issuer, and a public client. Prints what it shows its user, and after a line of standard input, by which
// the user has answered, what it got, or {"error": "..."}.

import { createInterface } from "node:readline/promises";
import * as oidc from "openid-client";

const [issuer, client] = process.argv.slice(2);
const http = { execute: [oidc.allowInsecureRequests] };
const config = await oidc.discovery(new URL(issuer), client, undefined, oidc.None(), http);
const shown = await oidc.initiateDeviceAuthorization(config, { scope: "openid profile offline_access orders:read" });
console.log(JSON.stringify(shown));

await createInterface({ input: process.stdin })[Symbol.asyncIterator]().next();
try {
  // Its first question comes after the interval: nobody has to wait for the answer now.
  const tokens = await oidc.pollDeviceAuthorizationGrant(config, { ...shown, interval: 0.1 });
  const claims = tokens.claims();
  const info = await oidc.fetchUserInfo(config, tokens.access_token, claims.sub);
  const next = await oidc.refreshTokenGrant(config, tokens.refresh_token);
  const rotated = next.refresh_token !== tokens.refresh_token;
  console.log(JSON.stringify({ sub: claims.sub, username: info.preferred_username, rotated, scope: tokens.scope }));
} catch (error) {
  console.log(JSON.stringify({ error: error.error ?? error.code ?? error.message }));
}
process.exit();
