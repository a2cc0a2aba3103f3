import { createServer } from "node:http";

const server = createServer((request, response) => {
  response.end(request.url === "/health" ? "ok\n" : "Hello from an agent.\n");
});
server.listen(Number(process.env.PORT), "127.0.0.1");

process.once("SIGTERM", () => {
  server.close(() => process.exit(0));
  server.closeAllConnections();
});
