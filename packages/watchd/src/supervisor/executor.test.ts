import type { HostManifest } from "@daruma/config";
import t from "tap";
import type { Command, Event } from "../policy/events.ts";
import type { CurrentGeneration } from "../ports.ts";
import { createExecutor, type World } from "./executor.ts";

/** What a generation says that `web` may reach; the rest of it does not matter here. */
function reaching(...allow: string[]): HostManifest {
  return { agents: { web: { digest: allow.join(), egress: { allow } } } } as unknown as HostManifest;
}

/** How a command ends where generations are as they are here. */
function endOf(
  generations: object,
  command: Command,
  { current = null, isRecorded = true }: { current?: CurrentGeneration | null; isRecorded?: boolean } = {},
): Promise<Event> {
  return new Promise((dispatch) => {
    const execute = createExecutor({
      world: { generations } as unknown as World,
      current: () => current,
      dispatch,
      refresh: async () => undefined,
      afterSwitch: async () => undefined,
      isRecorded: async () => isRecorded,
      readAgainMs: 1,
    });
    execute(command);
  });
}

/** How the search for what `earlier` has of `web` ends. */
function search(options: {
  readonly current: HostManifest;
  readonly earlier: HostManifest;
  readonly problems?: readonly string[];
}): Promise<Event> {
  const { current: manifest, earlier, problems = [] } = options;
  const generations = {
    verifyClosure: async () => (problems.length === 0 ? { ok: true } : { ok: false, problems }),
    manifestOf: async () => earlier,
  };
  const current = { number: 2, path: "/two", manifest };
  return endOf(
    generations,
    { type: "find-earlier", agent: "web", id: "ar-1", generation: "/one" },
    { current },
  );
}

t.test("an agent's earlier settings are found where it may reach the same there", async (t) => {
  const found = await search({ current: reaching("a.example:443"), earlier: reaching("a.example:443") });
  t.match(found, { type: "earlier-found", id: "ar-1", manifest: { digest: "a.example:443" } });
});

t.test("they are refused where it may reach something else, which nobody would hold it to", async (t) => {
  const end = await search({ current: reaching("a.example:443"), earlier: reaching("b.example:443") });
  t.match(end, {
    type: "earlier-refused",
    damaged: false,
    problems: ["web may reach something else in /one"],
  });
});

t.test("they are refused where files of the generation are damaged, or it has no such agent", async (t) => {
  const same = reaching("a.example:443");
  t.match(await search({ current: same, earlier: same, problems: ["gone"] }), { damaged: true });
  const without = { agents: {} } as unknown as HostManifest;
  t.match(await search({ current: same, earlier: without }), {
    damaged: false,
    problems: ["/one has no agent web"],
  });
});

t.test("a generation is made known-good only once the ledger has what was recorded before", async (t) => {
  for (const isRecorded of [true, false]) {
    const marked: string[] = [];
    const generations = {
      markKnownGood: async (path: string) => marked.push(path),
      knownGood: async () => [],
    };
    const end = await endOf(generations, { type: "promote", path: "/one", promotedAt: 1 }, { isRecorded });
    t.equal(end.type, isRecorded ? "promoted" : "promotion-failed");
    t.same(marked, isRecorded ? ["/one"] : []);
  }
});

t.test(
  "a closure that could not be read is read once more before the agent may not go back alone",
  async (t) => {
    let reads = 0;
    const generations = {
      verifyClosure: async () => {
        reads += 1;
        if (reads === 1) throw new Error("nix-store: SIGTERM");
        return { ok: true };
      },
      manifestOf: async () => reaching("a.example:443"),
    };
    const current = { number: 2, path: "/two", manifest: reaching("a.example:443") };
    const command = { type: "find-earlier", agent: "web", id: "ar-1", generation: "/one" } as const;
    t.match(await endOf(generations, command, { current }), { type: "earlier-found", id: "ar-1" });
  },
);

/** How a command ends where no closure can be read. */
function endUnread(command: Command): Promise<Event> {
  const generations = {
    verifyClosure: async () => {
      throw new Error("nix-store: SIGTERM");
    },
    switchTo: async () => {
      throw new Error("nothing unverified is switched to");
    },
  };
  return endOf(generations, command);
}

t.test("what could not be read is neither damaged nor gone back to", async (t) => {
  const message = "nix-store: SIGTERM";
  const verified = await endUnread({ type: "verify-closure", path: "/one" });
  t.same(verified, { type: "closure-unread", path: "/one", message });
  const rolledBack = await endUnread({ type: "rollback", id: "rb-1", from: "/two", target: "/one" });
  t.same(rolledBack, { type: "rollback-failed", id: "rb-1", problems: [message] });
  const earlier = await endUnread({ type: "find-earlier", agent: "web", id: "ar-1", generation: "/one" });
  t.match(earlier, { type: "earlier-refused", damaged: false, problems: [message] });
});
