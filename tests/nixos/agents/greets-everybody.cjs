// Greets whoever comes, on every address of the machine.
const { createSocket } = require("node:dgram");
const { createServer } = require("node:net");
const greeting = "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nhello\n";
for (const port of [22, 53, 80, 443, 9000, 9001])
  createServer((socket) => socket.on("error", () => undefined).end(greeting)).listen(port, "::");
for (const [type, ports] of [
  ["udp4", [53, 123, 443]],
  ["udp6", [53]],
])
  for (const port of ports) {
    const socket = createSocket({ type, ipv6Only: type === "udp6" });
    socket.on("message", (_, { port: from, address }) => socket.send("hello", from, address)).bind(port);
  }
