import { createInterface } from "node:readline";
import { openUnix } from "@daruma/base";
import t from "tap";
import { createLab, echo, freePort } from "./fixtures/lab.ts";
import { Upstreams, type UpstreamsDocument } from "./upstreams.ts";

t.test("an upstream is down when several agents do not reach it and nobody does", async (t) => {
  const upstreams = new Upstreams(1_000);
  const down = (now = 0) => upstreams.down(now).map(({ target, code, agents }) => [target, code, ...agents]);
  upstreams.failed("a", "db.test:5432", "refused", 0);
  upstreams.failed("a", "db.test:5432", "refused", 1);
  t.same(down(), [], "one agent alone may have a wrong idea of where it is");
  upstreams.failed("b", "db.test:5432", "connect-timeout", 2);
  t.same(down(), [["db.test:5432", "connect-timeout", "a", "b"]]);
  upstreams.reached("db.test:5432");
  t.same(down(), [], "somebody has reached it");
  for (const agent of ["a", "b"]) upstreams.failed(agent, "typo.test:443", "no-such-name", 3);
  t.same(down(), [], "a name that does not exist is as likely a mistake");
  upstreams.failed("a", "api.test:443", "dns-timeout", 0);
  upstreams.failed("b", "api.test:443", "dns-timeout", 500);
  t.same([down(999).length, down(1_000).length], [1, 0], "an old failure says nothing");
  for (let n = 0; n < 2_000; n += 1)
    for (const agent of ["a", "b"]) upstreams.failed(agent, `${n}.test:1`, "reset", 0);
  t.equal(down().length, 1_000, "it remembers no more than that");
});

t.test("egressd tells of it before the agent gets its answer, and when it is over", async (t) => {
  const port = await freePort();
  const egress = [{ host: "db.test", port, private: true }];
  const lab = await createLab(t, { aa: { egress }, bb: { egress }, cc: { egress: [] } });
  lab.dns.answers.set("db.test", ["127.0.0.1"]);
  const response = await openUnix({ path: lab.socket, method: "GET", route: "/v1/upstreams" });
  t.teardown(() => response.destroy());
  const lines = createInterface({ input: response })[Symbol.asyncIterator]();
  const next = async () => (JSON.parse(String((await lines.next()).value)) as UpstreamsDocument).down;
  t.same(await next(), []);
  const target = `db.test:${port}`;
  t.match((await lab.tunnel("aa", target)).answer, /^HTTP\/1\.1 50/);
  t.match((await lab.tunnel("cc", target)).answer, /403/, "what is refused is no failure of the upstream");
  t.match((await lab.tunnel("bb", target)).answer, /^HTTP\/1\.1 50/);
  t.same(await next(), [{ target, code: "refused", agents: ["aa", "bb"] }]);

  const { createServer } = await import("node:net");
  const server = createServer(echo);
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  t.teardown(() => server.close());
  const { socket, answer } = await lab.tunnel("aa", target);
  t.match(answer, /200/);
  t.same(await next(), []);
  socket.destroy();
});
