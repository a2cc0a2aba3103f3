import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { HostManifest } from "@daruma/config";
import fc from "fast-check";
import t from "tap";
import { firstRound, progressOf, takeTurn } from "./pace.ts";
import { StoreWatch } from "./store-watch.ts";

t.test("a round reads every path once, in its time, whatever their sizes", async () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 1_000 }), { minLength: 1, maxLength: 60 });
  fc.assert(
    fc.property(sizes, fc.integer({ min: 2, max: 40 }), (bytes, looks) => {
      const paths = bytes.map((size, index) => ({
        path: `/s/${String(index).padStart(3, "0")}`,
        bytes: size,
      }));
      const total = bytes.reduce((sum, size) => sum + size, 0);
      const read = new Map<string, number>();
      let round = firstRound(0);
      for (let look = 1; look <= looks; look += 1) {
        const turn = takeTurn(round, paths, { elapsedMs: 1_000, withinMs: looks * 1_000, now: look });
        round = turn.round;
        for (const path of turn.paths) read.set(path, (read.get(path) ?? 0) + 1);
        const done = [...read].reduce(
          (sum, [path, times]) => sum + times * (paths.find((each) => each.path === path)?.bytes ?? 0),
          0,
        );
        // Never ahead of its share by more than one path.
        if (done > (total * look) / looks + Math.max(...bytes)) return false;
      }
      return paths.every(({ path }) => read.get(path) === 1 || read.get(path) === 2);
    }),
  );
});

t.test("a store that changes under the round loses and repeats nothing that stays", async (t) => {
  const paths = ["a", "b", "c", "d"].map((path) => ({ path, bytes: 1 }));
  const half = takeTurn(firstRound(0), paths, { elapsedMs: 2, withinMs: 4, now: 1 });
  t.same(half.paths, ["a", "b"]);
  const others = ["aa", "c", "d"].map((path) => ({ path, bytes: 1 }));
  t.equal(progressOf(half.round, others), 1);
  t.same(takeTurn(half.round, others, { elapsedMs: 2, withinMs: 3, now: 2 }).paths, ["c", "d"]);
  t.same(takeTurn(firstRound(0), [], { elapsedMs: 1, withinMs: 1, now: 1 }).paths, []);
});

const manifest = {
  agents: { web: { command: ["/s/node/bin/node", "/s/web/main.js"] } },
} as unknown as HostManifest;

function lab(file: string, damaged: Set<string>) {
  const read: string[] = [];
  let changes = 0;
  const watch = new StoreWatch({
    tools: {
      list: async () => ["/s/a", "/s/node", "/s/web"].map((path) => ({ path, bytes: 100 })),
      async verify(paths) {
        read.push(...paths);
        return new Map(paths.filter((path) => damaged.has(path)).map((path) => [path, "was modified"]));
      },
    },
    file,
    now: () => 1,
    log: (message) => t.fail(message),
    onChange: () => {
      changes += 1;
    },
  });
  const tick = async (storeEveryMs = 30_000_000) => {
    watch.tick(["/s/root"], { everyMs: 1_000, storeEveryMs });
    await watch.idle();
    return read.splice(0);
  };
  return { watch, tick, changes: () => changes };
}

t.test(
  "a round goes on where it stood, also after a restart, and what is wrong is looked at each time",
  async (t) => {
    const file = join(t.testdir({}), "store.json");
    const damaged = new Set(["/s/web"]);
    const first = lab(file, damaged);
    t.same(await first.tick(), ["/s/a"]);
    t.same(await first.tick(), [], "it has read more than its share");
    first.watch.suspect("/s/web");
    t.same(await first.tick(), ["/s/web"], "the kernel told of a change");
    t.equal(first.changes(), 1);
    const second = lab(file, damaged);
    t.match(await second.watch.differences(manifest, true), [
      { at: "/s/web", remedy: { kind: "repair", path: "/s/web", agents: ["web"] } },
    ]);
    t.match(await second.watch.differences(manifest, false), [{ remedy: { kind: "none" } }]);
    t.same(await second.tick(1_500), ["/s/web", "/s/node"]);
    damaged.clear();
    await second.watch.verifyNow(["/s/web"]);
    t.same(await second.watch.differences(manifest, true), []);
    t.equal(second.changes(), 1);
    t.match(JSON.parse(readFileSync(file, "utf8")), { schemaVersion: 1, bad: {} });
    t.match(await second.watch.progress(), { paths: 3, bytes: 300 });
  },
);
