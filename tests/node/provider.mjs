// An OpenID Connect provider of somebody else's: npm oidc-provider and nothing of ours.
//
// Arguments: a port, the application's origin, its secret, the API that its access tokens are for. Whoever is sent here to
// log in is logged in and asked nothing: the first as user-1, the next one without a session here as user-2. Prints a line
// when it listens.

import { generateKeyPair, exportJWK } from "jose";
import Provider from "oidc-provider";

const [port, site, secret, api] = process.argv.slice(2);
const issuer = `http://127.0.0.1:${port}`;

// As many have it: a key that names no algorithm, ID tokens under RS256 because nobody asked for anything else.
const { privateKey } = await generateKeyPair("RS256", { extractable: true });
const jwks = { keys: [{ ...(await exportJWK(privateKey)), kid: "p1", use: "sig" }] };

let users = 0;
const provider = new Provider(issuer, {
  jwks,
  cookies: { keys: ["a key of one run"] },
  clients: [
    {
      client_id: "site",
      client_secret: secret,
      token_endpoint_auth_method: "client_secret_post",
      grant_types: ["authorization_code", "refresh_token"],
      redirect_uris: [`${site}/bff/callback`],
      post_logout_redirect_uris: [`${site}/`],
    },
  ],
  clientAuthMethods: ["client_secret_post", "private_key_jwt"],
  conformIdTokenClaims: false, // the name in the ID token, as many have it
  claims: { profile: ["name"] },
  scopes: ["openid", "offline_access", "profile", "orders:read"],
  findAccount: (_, accountId) => ({ accountId, claims: () => ({ sub: accountId, name: `The user ${accountId}` }) }),
  interactions: { url: (_, { uid }) => `/interaction/${uid}` },
  features: {
    devInteractions: { enabled: false },
    resourceIndicators: {
      enabled: true,
      useGrantedResource: () => true,
      getResourceServerInfo: () => ({ audience: api, scope: "orders:read", accessTokenFormat: "jwt" }),
    },
    revocation: { enabled: true },
    rpInitiatedLogout: { enabled: true },
  },
  rotateRefreshToken: true,
  ttl: { AccessToken: 2, Grant: 600, IdToken: 60, Interaction: 60, RefreshToken: 600, Session: 600 },
});

/** Grants whatever is asked for. */
async function grant(details) {
  const { params, prompt, session } = details;
  const accountId = prompt.name === "login" ? `user-${(users += 1)}` : session.accountId;
  const granted = new provider.Grant({ accountId, clientId: params.client_id });
  granted.addOIDCScope(params.scope);
  if (params.resource) granted.addResourceScope(params.resource, params.scope);
  return { login: { accountId }, consent: { grantId: await granted.save() } };
}

provider.use(async (ctx, next) => {
  if (!ctx.path.startsWith("/interaction/")) return next();
  const details = await provider.interactionDetails(ctx.req, ctx.res);
  ctx.redirect(await provider.interactionResult(ctx.req, ctx.res, await grant(details)));
});
provider.on("server_error", (_, error) => console.error(error));

provider.listen(Number(port), "127.0.0.1", () => console.log("listening"));
