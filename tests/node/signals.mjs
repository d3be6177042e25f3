// A receiver of shared signals of somebody else's: verifies what is pushed to it with jose, and nothing of ours.
//
// Arguments: the issuer, the port to listen on, its client id, its secret. Makes its stream, asks for a verification, and
// prints a line of JSON for each event that it takes.

import { createServer } from "node:http";
import { createRemoteJWKSet, jwtVerify } from "jose";

const [issuer, port, client, secret] = process.argv.slice(2);
const metadata = await (await fetch(`${issuer}/.well-known/ssf-configuration`)).json();
const keys = createRemoteJWKSet(new URL(metadata.jwks_uri));
const authorization = "Bearer known-to-both";

createServer((request, response) => {
  const parts = [];
  request.on("data", (part) => parts.push(part));
  request.on("end", async () => {
    let status = 202;
    try {
      if (request.headers.authorization !== authorization) throw new Error("a stranger");
      if (request.headers["content-type"] !== "application/secevent+jwt") throw new Error("no event");
      const { payload } = await jwtVerify(Buffer.concat(parts).toString(), keys, {
        issuer: metadata.issuer, audience: client, typ: "secevent+jwt", requiredClaims: ["jti", "iat", "sub_id", "events"],
      });
      console.log(JSON.stringify({ events: payload.events, sub_id: payload.sub_id }));
    } catch (problem) {
      console.log(JSON.stringify({ problem: String(problem) }));
      status = 400;
    }
    response.writeHead(status).end();
  });
}).listen(Number(port), "127.0.0.1", async () => {
  const post = async (url, headers, body) => {
    const answer = await fetch(url, { method: "POST", headers, body });
    return answer.status === 204 ? null : await answer.json();
  };
  const basic = Buffer.from(`${client}:${secret}`).toString("base64");
  const form = new URLSearchParams({ grant_type: "client_credentials" });
  const { access_token } = await post(`${issuer}/oauth/token`, { authorization: `Basic ${basic}` }, form);
  const headers = { authorization: `Bearer ${access_token}`, "content-type": "application/json" };
  const stream = await post(metadata.configuration_endpoint, headers, JSON.stringify({
    delivery: {
      method: "urn:ietf:rfc:8935", endpoint_url: `http://127.0.0.1:${port}/events`, authorization_header: authorization,
    },
  }));
  console.log(JSON.stringify({ stream: stream.stream_id, delivered: stream.events_delivered }));
  await post(metadata.verification_endpoint, headers, JSON.stringify({ stream_id: stream.stream_id, state: "are you there" }));
});
