import { mkdtempSync, rmSync } from "node:fs";
import type { ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { serveUnix, streamed } from "@daruma/base";
import t from "tap";
import { type DownUpstreams, followUpstreams } from "./upstreams.ts";

const line = (down: unknown) => `${JSON.stringify({ schemaVersion: 1, down })}\n`;

t.test("what egressd says is followed, and forgotten when it goes", async (t) => {
  // A socket's path is short.
  const directory = mkdtempSync(join(tmpdir(), "dups-"));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const path = join(directory, "egressd.sock");
  const heard: DownUpstreams[] = [];
  const until = async (count: number) => {
    const deadline = performance.now() + 30_000;
    while (heard.length < count && performance.now() < deadline) await delay(5);
    return heard.at(-1);
  };
  const follow = () => followUpstreams({ socket: path, tell: (down) => heard.push(down), retryMs: 10 });

  // Nobody is there yet: it does not wait for it.
  const following = await follow();
  t.teardown(() => following.close());
  const answers: ServerResponse[] = [];
  const serve = () =>
    serveUnix({
      path,
      routes: {
        "GET /v1/upstreams": async ({ response }) => {
          response.write(line([{ target: "db.test:5432", code: "refused", agents: ["a", "b"] }]));
          answers.push(response);
          return streamed;
        },
      },
      onBug: (error) => t.fail(String(error)),
    });
  const server = await serve();
  t.same(await until(1), { a: "db.test:5432", b: "db.test:5432" });
  answers[0]?.write(line([]));
  t.same(await until(2), {});
  answers[0]?.write(line([{ target: "api.test:443", code: "reset", agents: ["a", "c"] }]));
  t.same(await until(3), { a: "api.test:443", c: "api.test:443" });
  await server.close();
  t.same(await until(4), {}, "an egressd that is gone explains nothing");

  const again = await serve();
  t.same(await until(5), { a: "db.test:5432", b: "db.test:5432" });
  const second = heard.length;
  const other = await follow();
  t.equal(heard.length, second + 1, "known before it resolves");
  other.close();
  answers.at(-2)?.write("nonsense\n");
  t.same(await until(second + 2), {});
  following.close();
  await again.close();
});
