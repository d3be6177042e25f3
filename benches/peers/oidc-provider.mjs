// npm oidc-provider as an authorization server to compare with: everything in its own memory, nothing on a disk.
//
// Arguments: a port, a client's id and its secret, a file to write refresh tokens to, how many of them, and for each of its
// resource servers an audience and an algorithm. It takes requests once that file is there.

import { writeFileSync } from "node:fs";
import { exportJWK, generateKeyPair } from "jose";
import Provider from "oidc-provider";

const [port, id, secret, file, count, ...resources] = process.argv.slice(2);
const algorithms = new Map(resources.map((each) => each.split(" ")));
const now = () => Math.floor(Date.now() / 1000);

const key = async (alg) => {
  const { privateKey } = await generateKeyPair(alg, { extractable: true });
  return { ...(await exportJWK(privateKey)), kid: alg, alg, use: "sig" };
};
// Its memory forgets the oldest of a thousand entries; here nothing is forgotten while it is measured.
const entries = new Map();
class Memory {
  constructor(name) {
    this.name = name;
  }
  key(id) {
    return `${this.name}:${id}`;
  }
  async upsert(id, payload) {
    entries.set(this.key(id), payload);
  }
  async find(id) {
    return entries.get(this.key(id));
  }
  async consume(id) {
    entries.get(this.key(id)).consumed = now();
  }
  async destroy(id) {
    entries.delete(this.key(id));
  }
  async revokeByGrantId(grantId) {
    for (const [at, { grantId: of }] of entries) if (of === grantId) entries.delete(at);
  }
}

const provider = new Provider(`http://127.0.0.1:${port}`, {
  adapter: Memory,
  jwks: { keys: await Promise.all(["RS256", "ES256", "Ed25519"].map(key)) },
  cookies: { keys: ["a key of one run"] },
  clients: [
    {
      client_id: id,
      client_secret: secret,
      token_endpoint_auth_method: "client_secret_basic",
      grant_types: ["client_credentials", "authorization_code", "refresh_token"],
      redirect_uris: ["https://client.example/callback"],
    },
  ],
  scopes: ["openid", "offline_access", "orders:read"],
  findAccount: (_, accountId) => ({ accountId, claims: () => ({ sub: accountId }) }),
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    introspection: { enabled: true },
    revocation: { enabled: true },
    resourceIndicators: {
      enabled: true,
      useGrantedResource: () => true,
      getResourceServerInfo: (_, audience) => ({
        audience,
        scope: "orders:read",
        accessTokenFormat: "jwt",
        jwt: { sign: { alg: algorithms.get(audience) } },
      }),
    },
  },
  rotateRefreshToken: true,
  ttl: { AccessToken: 900, ClientCredentials: 900, Grant: 86400, IdToken: 900, RefreshToken: 86400 },
});

/** A refresh token as the code of somebody who has logged in would have brought it. */
async function refreshToken(audience) {
  const accountId = "bench";
  const granted = new provider.Grant({ accountId, clientId: id });
  granted.addOIDCScope("offline_access");
  granted.addResourceScope(audience, "orders:read");
  const grantId = await granted.save();
  const client = await provider.Client.find(id);
  const scope = "offline_access orders:read";
  const gty = "authorization_code";
  const resource = audience;
  return new provider.RefreshToken({ accountId, client, grantId, gty, scope, resource, iiat: now() }).save();
}

const tokens = [];
const audience = [...algorithms].find(([, alg]) => alg === "ES256")[0];
while (tokens.length < Number(count)) tokens.push(await refreshToken(audience));
provider.listen(Number(port), "127.0.0.1", () => writeFileSync(file, tokens.join("\n")));
