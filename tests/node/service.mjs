// A service of somebody else's that calls an API with tokens of two authorization servers, with npm openid-client and nothing
// of ours.
//
// Arguments: the server whose tokens are opaque, the one whose tokens are JWTs, the client's secret, the resource, the URL of
// an API there. Prints one line of JSON: what it saw, or {"error": "..."}.

import * as oidc from "openid-client";

const [opaque, jwt, secret, resource, api] = process.argv.slice(2);

async function server(issuer) {
  const authentication = oidc.ClientSecretBasic(secret);
  const config = await oidc.discovery(new URL(issuer), "service", undefined, authentication, {
    execute: [oidc.allowInsecureRequests],
  });
  const get = (options) => oidc.clientCredentialsGrant(config, { resource, scope: "orders:read" }, options);
  const call = async (token, options) => {
    const url = new URL(api);
    try {
      const response = await oidc.fetchProtectedResource(config, token, url, "GET", undefined, undefined, options);
      return [response.status, (await response.json()).headers["x-user-id"]];
    } catch (error) {
      return [error.status ?? error.response?.status, error.cause?.[0]?.parameters?.error ?? error.code ?? error.message];
    }
  };
  return { config, get, call };
}

async function everything() {
  const [asked, signed] = [await server(opaque), await server(jwt)];
  const keys = async () => ({ DPoP: oidc.getDPoPHandle(asked.config, await oidc.randomDPoPKeyPair()) });
  const [own, thief] = [await keys(), await keys()];
  const [plain, bound, structured] = [await asked.get(), await asked.get(own), await signed.get()];
  const seen = {
    isOpaque: [plain, structured].map(({ access_token }) => !access_token.startsWith("ey")),
    opaque: await asked.call(plain.access_token),
    jwt: await signed.call(structured.access_token),
    bound: await asked.call(bound.access_token, own),
    stolen: await asked.call(bound.access_token, thief),
    asBearer: await asked.call(bound.access_token),
    madeUp: await asked.call(plain.access_token.split("").reverse().join("")),
  };
  await oidc.tokenRevocation(asked.config, plain.access_token);
  const deadline = Date.now() + 30_000;
  do {
    seen.revoked = await asked.call(plain.access_token);
    await new Promise((resolve) => setTimeout(resolve, 100));
  } while (seen.revoked[0] === 200 && Date.now() < deadline);
  return seen;
}

try {
  console.log(JSON.stringify(await everything()));
} catch (error) {
  console.log(JSON.stringify({ error: `${error.stack} ${JSON.stringify(error.cause)}` }));
}
