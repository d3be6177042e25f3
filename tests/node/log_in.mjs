// An application of somebody else's: logs a user in with npm openid-client and nothing of ours.
//
// Arguments: the issuer, a user name, a password, and clients that have http://127.0.0.1/callback registered: a public one;
// one with a secret that it sends, and the secret; one with a secret that it signs with, and the secret; one with a P-256
// key, which pushes its requests, signed or not, and the key as a JWK. Prints one line of JSON: what each client saw, or {"error": "..."}.

import * as oidc from "openid-client";
import { Browser } from "./browser.mjs";

const [issuer, username, password, publicId, confidentialId, secret, sharedId, shared, keyId, jwk] = process.argv.slice(2);
const redirectUri = "http://127.0.0.1:51004/callback"; // nobody listens: the browser below only reads where it is sent
const http = { execute: [oidc.allowInsecureRequests] };

async function discover(id, authentication) {
  return oidc.discovery(new URL(issuer), id, undefined, authentication, http);
}

async function ownKey() {
  const { kid, ...key } = JSON.parse(jwk);
  const algorithm = { name: "ECDSA", namedCurve: "P-256" };
  return { key: await crypto.subtle.importKey("jwk", key, algorithm, false, ["sign"]), kid };
}

/** The same client, whose answers are to be signed too. */
async function discoverSigned() {
  const config = await discover(keyId, oidc.PrivateKeyJwt(await ownKey()));
  oidc.useJwtResponseMode(config);
  return config;
}

async function signedAndPushed(config, parameters) {
  const { searchParams } = await oidc.buildAuthorizationUrlWithJAR(config, parameters, await ownKey());
  return oidc.buildAuthorizationUrlWithPAR(config, searchParams);
}

async function logIn(config, browser, { build, decision, ...more }) {
  const verifier = oidc.randomPKCECodeVerifier();
  const [nonce, state] = [oidc.randomNonce(), oidc.randomState()];
  const url = await build(config, {
    redirect_uri: redirectUri,
    scope: "openid profile offline_access",
    code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
    code_challenge_method: "S256",
    nonce,
    state,
    ...more,
  });
  const back = await browser.authorize(url, { username, password, decision });
  const checks = { pkceCodeVerifier: verifier, expectedNonce: nonce, expectedState: state, idTokenExpected: true };
  return { back, checks, tokens: await oidc.authorizationCodeGrant(config, back, { ...checks, maxAge: more.max_age }) };
}

/** The error of something that must not succeed. */
async function refused(promise) {
  try {
    await promise;
    return "nothing was refused";
  } catch (error) {
    return error.error ?? error.code ?? error.message;
  }
}

async function everything(config, browser, build = oidc.buildAuthorizationUrl) {
  const first = await logIn(config, browser, { build });
  const claims = first.tokens.claims();
  const info = await oidc.fetchUserInfo(config, first.tokens.access_token, claims.sub);
  const next = await oidc.refreshTokenGrant(config, first.tokens.refresh_token);
  const silent = await logIn(config, browser, { build, max_age: 600 });
  const replay = await refused(oidc.authorizationCodeGrant(config, first.back, first.checks));
  const afterReplay = await refused(oidc.refreshTokenGrant(config, next.refresh_token));
  const denied = await refused(logIn(config, browser, { build, prompt: "consent", decision: "deny" }));
  const quiet = await refused(logIn(config, new Browser(), { build, prompt: "none" }));
  const out = oidc.buildEndSessionUrl(config, {
    id_token_hint: silent.tokens.id_token,
    post_logout_redirect_uri: redirectUri,
    state: "bye",
  });
  const bye = await browser.open(out);
  const afterLogout = await refused(logIn(config, browser, { build, prompt: "none" }));
  return {
    sub: claims.sub,
    username: info.preferred_username,
    nameInToken: claims.preferred_username,
    scope: first.tokens.scope,
    rotated: next.refresh_token !== first.tokens.refresh_token,
    silentSub: silent.tokens.claims().sub,
    replay,
    afterReplay,
    quiet,
    denied,
    bye: bye.headers.get("location"),
    afterLogout,
  };
}

try {
  const answer = {
    public: await everything(await discover(publicId, oidc.None()), new Browser()),
    basic: await everything(await discover(confidentialId, oidc.ClientSecretBasic(secret)), new Browser()),
    post: await everything(await discover(confidentialId, oidc.ClientSecretPost(secret)), new Browser()),
    secretJwt: await everything(await discover(sharedId, oidc.ClientSecretJwt(shared)), new Browser()),
    privateKeyJwt: await everything(
      await discover(keyId, oidc.PrivateKeyJwt(await ownKey())),
      new Browser(),
      oidc.buildAuthorizationUrlWithPAR,
    ),
    signed: await everything(await discoverSigned(), new Browser(), signedAndPushed),
  };
  console.log(JSON.stringify(answer));
} catch (error) {
  console.log(JSON.stringify({ error: `${error.stack} ${error.cause?.stack ?? ""}` }));
}
