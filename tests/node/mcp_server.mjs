// A service that somebody else wrote for agents: the server of npm @modelcontextprotocol/sdk with one tool, which tells who
// called it. It knows nothing of tokens: the gateway in front of it does.
//
// Argument: a port of this machine. Prints `listening`.

import { createServer } from "node:http";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";

function tools() {
  const server = new McpServer({ name: "somebody else's", version: "1.0.0" });
  const description = "Who called";
  server.registerTool("whoami", { description }, ({ requestInfo: { headers } }) => {
    const text = JSON.stringify({ user: headers["x-user-id"], authorization: headers.authorization ?? null });
    return { content: [{ type: "text", text }] };
  });
  return server;
}

createServer(async (request, response) => {
  // Each request by itself: nothing is kept between two.
  const transport = new StreamableHTTPServerTransport({ sessionIdGenerator: undefined });
  response.on("close", () => transport.close());
  await tools().connect(transport);
  await transport.handleRequest(request, response);
}).listen(Number(process.argv[2]), "127.0.0.1", () => console.log("listening"));
