// Two providers that people log in with: an OpenID Connect one (npm oidc-provider and nothing of ours), and a plain OAuth 2.0
// service in the manner of code forges, which has no ID tokens, numbers its users, and answers in forms unless JSON is asked for.
//
// Arguments: their ports, the secret of their client, the origin of the server whose users they log in. Whoever is sent here is
// logged in and asked nothing. Prints a line when both listen.

import { createHash, randomUUID } from "node:crypto";
import { createServer } from "node:http";
import { exportJWK, generateKeyPair } from "jose";
import Provider from "oidc-provider";

const [openidPort, hubPort, secret, site] = process.argv.slice(2);
const callback = (id) => `${site}/oauth/providers/${id}/callback`;

const { privateKey } = await generateKeyPair("RS256", { extractable: true });
const provider = new Provider(`http://127.0.0.1:${openidPort}`, {
  jwks: { keys: [{ ...(await exportJWK(privateKey)), kid: "p1", use: "sig" }] },
  cookies: { keys: ["a key of one run"] },
  clients: [{ client_id: "gatepass", client_secret: secret, redirect_uris: [callback("corp")] }],
  claims: { email: ["email", "email_verified"], profile: ["name"] },
  findAccount: (_, accountId) => ({
    accountId,
    claims: () => ({ sub: accountId, name: "Grace", email: "grace@corp.example", email_verified: true }),
  }),
  interactions: { url: (_, { uid }) => `/interaction/${uid}` },
  pkce: { required: () => true },
  features: { devInteractions: { enabled: false } },
});
provider.use(async (ctx, next) => {
  if (!ctx.path.startsWith("/interaction/")) return next();
  const { params } = await provider.interactionDetails(ctx.req, ctx.res);
  const grant = new provider.Grant({ accountId: "user-1", clientId: params.client_id });
  grant.addOIDCScope(params.scope);
  const result = { login: { accountId: "user-1" }, consent: { grantId: await grant.save() } };
  ctx.redirect(await provider.interactionResult(ctx.req, ctx.res, result));
});
provider.on("server_error", (_, error) => console.error(error));

const codes = new Map();
const tokens = new Set();

/** The hub's three endpoints. */
const endpoints = {
  async "/login/oauth/authorize"({ url, answer }) {
    const asked = Object.fromEntries(url.searchParams);
    if (asked.redirect_uri !== callback("hub") || asked.client_id !== "gatepass") return answer(404, {});
    const back = new URL(asked.redirect_uri);
    back.searchParams.set("code", randomUUID());
    back.searchParams.set("state", asked.state);
    codes.set(back.searchParams.get("code"), asked);
    answer(302, {}, { location: back.href });
  },

  async "/login/oauth/access_token"({ request, answer }) {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const form = Object.fromEntries(new URLSearchParams(Buffer.concat(chunks).toString()));
    const asked = codes.get(form.code);
    codes.delete(form.code);
    const challenge = createHash("sha256").update(form.code_verifier ?? "").digest("base64url");
    if (form.client_secret !== secret || asked?.redirect_uri !== form.redirect_uri || asked.code_challenge !== challenge) {
      return answer(200, { error: "bad_verification_code" });
    }
    const access_token = `hub_${randomUUID()}`;
    tokens.add(access_token);
    answer(200, { access_token, token_type: "bearer", scope: "user" });
  },

  async "/user"({ request, answer }) {
    const known = tokens.has(request.headers.authorization?.replace(/^bearer /i, ""));
    answer(known ? 200 : 401, known ? { id: 4711, login: "octo", email: "ada@example.com", email_checked: true } : {});
  },
};

const hub = createServer((request, response) => {
  const url = new URL(request.url, `http://127.0.0.1:${hubPort}`);
  const answer = (status, body, headers = {}) => {
    const json = request.headers.accept?.includes("json");
    const type = json ? "application/json; charset=utf-8" : "application/x-www-form-urlencoded";
    response.writeHead(status, { "content-type": type, ...headers });
    response.end(json ? JSON.stringify(body) : new URLSearchParams(body).toString());
  };
  const endpoint = endpoints[url.pathname] ?? (async () => answer(404, {}));
  endpoint({ url, request, answer }).catch((error) => console.error(error));
});

await Promise.all([
  new Promise((resolve) => provider.listen(Number(openidPort), "127.0.0.1", resolve)),
  new Promise((resolve) => hub.listen(Number(hubPort), "127.0.0.1", resolve)),
]);
console.log("listening");
