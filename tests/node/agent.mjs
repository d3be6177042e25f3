// An agent of somebody else's that knows the URL of an API and nothing else: npm oauth4webapi finds its way, and nothing of ours.
//
// Arguments: the API, another one behind the same gateway, a user name, a password, and a port of this machine at which the
// agent publishes what it is. Prints one line of JSON: what each of its two clients got, or {"error": "..."}.

import { createServer } from "node:http";
import * as oauth from "oauth4webapi";
import { Browser } from "./browser.mjs";

const [api, other, username, password, port] = process.argv.slice(2);
const own = `http://127.0.0.1:${port}`;
const redirect_uri = "http://127.0.0.1:51004/callback"; // nobody listens: the browser below only reads where it is sent
const http = { [oauth.allowInsecureRequests]: true };

const keys = await oauth.generateKeyPair("ES256");
const jwk = await crypto.subtle.exportKey("jwk", keys.publicKey);
const described = (path, more) => ({
  client_id: own + path,
  client_name: "Agent",
  redirect_uris: ["http://127.0.0.1/callback"],
  grant_types: ["authorization_code"],
  ...more,
});
const published = {
  "/public": described("/public", { token_endpoint_auth_method: "none" }),
  "/signing": described("/signing", { token_endpoint_auth_method: "private_key_jwt", jwks_uri: `${own}/keys` }),
  "/keys": { keys: [{ ...jwk, kid: "k1", alg: "ES256", use: "sig" }] },
};

function publish() {
  const server = createServer((request, response) => {
    response.setHeader("content-type", "application/json");
    response.statusCode = request.url in published ? 200 : 404;
    response.end(JSON.stringify(published[request.url] ?? {}));
  });
  return new Promise((listening) => server.listen(Number(port), "127.0.0.1", () => listening(server)));
}

/** A request that nothing opens, or what it is told to do about it. */
async function challenge(url) {
  const withoutToken = (to, { headers, ...more }) => {
    const { authorization, ...others } = headers;
    return fetch(to, { headers: others, ...more });
  };
  try {
    await oauth.protectedResourceRequest("none", "GET", url, undefined, null, { ...http, [oauth.customFetch]: withoutToken });
    throw new Error(`${url} is open`);
  } catch (error) {
    if (error instanceof oauth.WWWAuthenticateChallengeError) return error.cause;
    throw error;
  }
}

async function getIn(path, authentication) {
  const url = new URL(api);
  const [{ scheme, parameters }] = await challenge(url);
  const told = await fetch(parameters.resource_metadata);
  const resource = await oauth.processResourceDiscoveryResponse(url, told);
  const found = await oauth.resourceDiscoveryRequest(url, http);

  const issuer = new URL(resource.authorization_servers[0]);
  const metadata = await oauth.discoveryRequest(issuer, { ...http, algorithm: "oauth2" });
  const as = await oauth.processDiscoveryResponse(issuer, metadata);
  if (!as.client_id_metadata_document_supported) throw new Error("it wants to know its clients before");
  const client = { client_id: own + path };
  const [verifier, state] = [oauth.generateRandomCodeVerifier(), oauth.generateRandomState()];
  const authorize = new URL(as.authorization_endpoint);
  const asked = {
    client_id: client.client_id,
    redirect_uri,
    response_type: "code",
    resource: resource.resource,
    scope: resource.scopes_supported.join(" "),
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: "S256",
    state,
  };
  for (const [name, value] of Object.entries(asked)) authorize.searchParams.set(name, value);
  const back = await new Browser().authorize(authorize, { username, password });
  const answer = oauth.validateAuthResponse(as, client, back, state);
  const more = { ...http, additionalParameters: { resource: resource.resource } };
  const granted = await oauth.authorizationCodeGrantRequest(as, client, authentication, answer, redirect_uri, verifier, more);
  const { access_token, scope } = await oauth.processAuthorizationCodeResponse(as, client, granted);

  const served = await oauth.protectedResourceRequest(access_token, "GET", url, undefined, null, http);
  const elsewhere = await fetch(other, { headers: { authorization: `Bearer ${access_token}` } });
  return {
    scheme,
    found: found.url === parameters.resource_metadata,
    resource: resource.resource,
    issuer: as.issuer,
    scope,
    served: await served.json(),
    elsewhere: elsewhere.status,
  };
}

const server = await publish();
try {
  console.log(
    JSON.stringify({
      public: await getIn("/public", oauth.None()),
      signing: await getIn("/signing", oauth.PrivateKeyJwt({ key: keys.privateKey, kid: "k1" })),
    }),
  );
} catch (error) {
  console.log(JSON.stringify({ error: `${error.stack} ${JSON.stringify(error.cause)}` }));
}
server.close();
