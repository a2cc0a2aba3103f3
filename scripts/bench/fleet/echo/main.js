const { createServer } = require("node:http");

const server = createServer((request, response) => {
  response.writeHead(request.url === "/health" ? 200 : 404).end(String(process.pid));
});
server.listen(Number(process.env.PORT), "127.0.0.1", () => process.stdout.write("ready\n"));
