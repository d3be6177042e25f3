// An agent of somebody else's that knows the URL of an MCP server and nothing else: the client of npm
// @modelcontextprotocol/sdk finds its way, and nothing of ours.
//
// Arguments: the MCP server, a user name, a password, the URL of the agent's own document, a port of this machine at which it is
// published, and the files of a certificate and its key for that. Prints one line of JSON: what it saw, or {"error": "..."}.

import { readFileSync } from "node:fs";
import { createServer } from "node:https";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { UnauthorizedError } from "@modelcontextprotocol/sdk/client/auth.js";
import { Browser } from "./browser.mjs";

const [url, username, password, documentUrl, port, cert, key] = process.argv.slice(2);
const redirectUrl = "http://127.0.0.1:51004/callback"; // nobody listens: the browser below only reads where it is sent

const clientMetadata = {
  client_name: "MCP agent",
  redirect_uris: ["http://127.0.0.1/callback"],
  grant_types: ["authorization_code", "refresh_token"],
  response_types: ["code"],
  token_endpoint_auth_method: "none",
};

function publish() {
  const server = createServer({ cert: readFileSync(cert), key: readFileSync(key) }, (request, response) => {
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ client_id: documentUrl, ...clientMetadata }));
  });
  return new Promise((listening) => server.listen(Number(port), "127.0.0.1", () => listening(server)));
}

/** What an application keeps of its authorization, and how it sends its user's browser there. */
class Keeper {
  redirectUrl = redirectUrl;
  clientMetadata = clientMetadata;
  clientMetadataUrl = documentUrl;
  kept = {};
  visited = [];
  browser = new Browser();

  clientInformation = () => this.kept.client;
  saveClientInformation = (client) => (this.kept.client = client);
  tokens = () => this.kept.tokens;
  saveTokens = (tokens) => (this.kept.tokens = tokens);
  codeVerifier = () => this.kept.verifier;
  saveCodeVerifier = (verifier) => (this.kept.verifier = verifier);

  async redirectToAuthorization(to) {
    this.visited.push(to);
    this.back = await this.browser.authorize(to, { username, password });
  }
}

async function everything() {
  const keeper = new Keeper();
  const connect = async () => {
    const transport = new StreamableHTTPClientTransport(new URL(url), { authProvider: keeper });
    const client = new Client({ name: "agent", version: "1.0.0" });
    try {
      await client.connect(transport);
      return client;
    } catch (error) {
      if (!(error instanceof UnauthorizedError)) throw error;
      await transport.finishAuth(keeper.back.searchParams.get("code"));
      return undefined;
    }
  };
  if (await connect()) throw new Error("it is open");
  const client = await connect();
  const { tools } = await client.listTools();
  const { content } = await client.callTool({ name: "whoami", arguments: {} });
  await client.close();
  const asked = Object.fromEntries(keeper.visited[0].searchParams);
  return {
    client: keeper.kept.client.client_id,
    resource: asked.resource,
    scope: asked.scope,
    tools: tools.map((tool) => tool.name),
    whoami: JSON.parse(content[0].text),
  };
}

const server = await publish();
try {
  console.log(JSON.stringify(await everything()));
} catch (error) {
  console.log(JSON.stringify({ error: `${error.stack} ${JSON.stringify(error.cause)}` }));
}
server.close();
