// Answers its health check. `POST /try` takes a list of ways, and tells what came of each: what it heard, or why it heard nothing.
const { createSocket } = require("node:dgram");
const { connect } = require("node:net");
const { createServer } = require("node:http");
const ways = {
  tcp: ({ address, port }) =>
    new Promise((resolve) => {
      const socket = connect(port, address).setTimeout(5000, () => socket.destroy(new Error("silence")));
      socket.on("data", (heard) => {
        resolve(String(heard));
        socket.destroy();
      });
      socket
        .on("error", ({ code, message }) => resolve(code ?? message))
        .on("close", () => resolve("closed"));
    }),
  udp: ({ address, port }) =>
    new Promise((resolve) => {
      const socket = createSocket(address.includes(":") ? "udp6" : "udp4");
      const end = (heard) => {
        clearTimeout(timer);
        socket.close();
        resolve(heard);
      };
      const timer = setTimeout(() => end("silence"), 3000);
      socket.once("message", (heard) => end(String(heard))).once("error", ({ code }) => end(code));
      socket.send("knock", port, address, (error) => {
        if (error) end(error.code);
      });
    }),
  fetch: async ({ url }) => {
    try {
      const answer = await fetch(url, { signal: AbortSignal.timeout(10000) });
      return `${answer.status} ${await answer.text()}`;
    } catch (error) {
      return String(error.cause?.code ?? error.name);
    }
  },
};
createServer(async (request, answer) => {
  if (request.method !== "POST") return answer.end("hello");
  let body = "";
  for await (const chunk of request) body += chunk;
  answer.end(JSON.stringify(await Promise.all(JSON.parse(body).map((way) => ways[way.by](way)))));
})
  .listen(process.env.PORT, "127.0.0.1")
  .on("connection", (socket) => {
    // Whoever connects and says nothing hears it too: other agents knock here.
    const timer = setTimeout(() => socket.end("hello"), 200);
    socket
      .once("data", () => clearTimeout(timer))
      .once("close", () => clearTimeout(timer))
      .on("error", () => undefined);
  });
