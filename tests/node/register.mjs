// A program of somebody else's that registers itself: npm openid-client and nothing of ours.
//
// Arguments: the issuer, and an initial access token. Prints one line of JSON: what it heard, or {"error": "..."}.

import * as oidc from "openid-client";

const [issuer, initialAccessToken] = process.argv.slice(2);
const http = { execute: [oidc.allowInsecureRequests] };

/** The error of something that must not succeed; its status where it came with a challenge. */
async function refused(promise) {
  try {
    await promise;
    return "nothing was refused";
  } catch (error) {
    return error.error ?? error.status ?? error.code ?? error.message;
  }
}

async function register(metadata, token = initialAccessToken) {
  return oidc.dynamicClientRegistration(new URL(issuer), metadata, undefined, { ...http, initialAccessToken: token });
}

try {
  const machine = { client_name: "machine", grant_types: ["client_credentials"], response_types: [] };
  const config = await register(machine);
  const { client_id: id, client_secret: secret, registration_client_uri: uri } = config.clientMetadata();
  const tokens = await oidc.clientCredentialsGrant(config);
  const { registration_access_token: token } = config.clientMetadata();
  const shown = await fetch(uri, { headers: { authorization: `Bearer ${token}` } });
  const removed = await fetch(uri, { method: "DELETE", headers: { authorization: `Bearer ${token}` } });
  console.log(
    JSON.stringify({
      hasSecret: typeof secret === "string",
      scope: tokens.scope,
      shown: (await shown.json()).client_id === id,
      removed: removed.status,
      afterwards: await refused(oidc.clientCredentialsGrant(config)),
      usedUp: await refused(register(machine)),
      guessed: await refused(register(machine, "gpi_guessed")),
    }),
  );
} catch (error) {
  console.log(JSON.stringify({ error: `${error.stack} ${error.cause?.stack ?? ""}` }));
}
