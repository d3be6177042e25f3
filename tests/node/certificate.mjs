// A machine with a TLS certificate, with npm openid-client and nothing of ours: finds the endpoints that ask for certificates in
// the metadata, gets a token there, and asks what it is worth.
//
// Arguments: the issuer, the client, a file with its certificate and key, and the certificate of the server. Prints one line of
// JSON: what it saw, or {"error": "..."}.

import fs from "node:fs";
import https from "node:https";
import * as oidc from "openid-client";

const [issuer, id, own, server] = process.argv.slice(2);
const pem = fs.readFileSync(own);
const asked = [];

/// `fetch` of Node knows no certificates of its caller.
function fetchWithCertificate(url, { method, headers, body }) {
  asked.push(new URL(url).port);
  const options = { method, headers: Object.fromEntries(new Headers(headers)), cert: pem, key: pem, ca: fs.readFileSync(server) };
  return new Promise((resolve, reject) => {
    const request = https.request(url, options, (answer) => {
      const chunks = [];
      answer.on("data", (chunk) => chunks.push(chunk));
      answer.on("end", () => {
        resolve(new Response(Buffer.concat(chunks), { status: answer.statusCode, headers: answer.headers }));
      });
    });
    request.on("error", reject);
    request.end(body?.toString());
  });
}

async function everything() {
  const metadata = { use_mtls_endpoint_aliases: true };
  const options = { [oidc.customFetch]: fetchWithCertificate };
  const config = await oidc.discovery(new URL(issuer), id, metadata, oidc.TlsClientAuth(), options);
  config[oidc.customFetch] = fetchWithCertificate;
  const tokens = await oidc.clientCredentialsGrant(config);
  const told = await oidc.tokenIntrospection(config, tokens.access_token);
  return { token: tokens.access_token, active: told.active, bound: typeof told.cnf["x5t#S256"], ports: asked };
}

try {
  console.log(JSON.stringify(await everything()));
} catch (error) {
  console.log(JSON.stringify({ error: `${error.stack}`, cause: `${error.cause}` }));
}
