import { createServer as createHttp } from "node:http";
import { type AddressInfo, createServer } from "node:net";
import t, { type Test } from "tap";
import { reach } from "./reach.ts";

async function listening(t: Test, server: ReturnType<typeof createServer>): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.teardown(() => server.close());
  return (server.address() as AddressInfo).port;
}

t.test("a connection is enough for tcp", async (t) => {
  const server = createServer((socket) => socket.destroy());
  const port = await listening(t, server);
  t.equal(await reach(`tcp://127.0.0.1:${port}`, 10_000), null);
  await new Promise((resolve) => server.close(resolve));
  t.equal(await reach(`tcp://127.0.0.1:${port}`, 10_000), "connection refused");
  t.match(await reach("tcp://no-such-host.invalid:1", 10_000), /\S/);
});

t.test("over http any answer will do that is no fault of the server's", async (t) => {
  let status = 404;
  const server = createHttp((_, response) => response.writeHead(status).end("x"));
  const url = `http://127.0.0.1:${await listening(t, server)}/health`;
  t.equal(await reach(url, 10_000), null);
  status = 503;
  t.equal(await reach(url, 10_000), "it answers 503");
});

t.test("who does not answer in time is not reached", async (t) => {
  const url = `http://127.0.0.1:${await listening(t, createServer())}/`;
  t.equal(await reach(url, 50), "no answer within 50 ms");
});
