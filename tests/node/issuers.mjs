// Two authorization servers of somebody else's, npm oidc-provider and nothing of ours: the first gives out opaque access
// tokens, the second JWTs as they are where nobody has heard of RFC 9068.
//
// Arguments: their ports, a secret that all clients have, the API that their tokens are for. Prints a line when both listen.

import { generateKeyPair, exportJWK } from "jose";
import Provider from "oidc-provider";

const [opaquePort, jwtPort, secret, api] = process.argv.slice(2);

async function provider(port, accessTokenFormat) {
  const { privateKey } = await generateKeyPair("RS256", { extractable: true });
  const client = (client_id) => ({
    client_id,
    client_secret: secret,
    grant_types: ["client_credentials"],
    redirect_uris: [],
    response_types: [],
  });
  return new Provider(`http://127.0.0.1:${port}`, {
    jwks: { keys: [{ ...(await exportJWK(privateKey)), kid: "p1", use: "sig" }] },
    clients: [client("service"), client("gateway")],
    scopes: ["orders:read"],
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      introspection: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: () => ({ audience: api, scope: "orders:read", accessTokenFormat }),
      },
      revocation: { enabled: true },
    },
    formats: {
      customizers: {
        jwt(_, __, { header, payload }) {
          const { jti, client_id, scope, ...rest } = payload;
          return { header: { ...header, typ: "JWT" }, payload: { ...rest, azp: client_id, scp: scope.split(" ") } };
        },
      },
    },
    ttl: { ClientCredentials: 600 },
  });
}

const listening = [
  [opaquePort, await provider(opaquePort, "opaque")],
  [jwtPort, await provider(jwtPort, "jwt")],
].map(([port, server]) => {
  server.on("server_error", (_, error) => console.error(error));
  return new Promise((resolve) => server.listen(Number(port), "127.0.0.1", resolve));
});
await Promise.all(listening);
console.log("listening");
