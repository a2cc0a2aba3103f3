/**
 * What an earlier release has left in its journal is read by this one, and goes on. `fixtures/earlier-release` is the journal of
 * commit 5b57ad3 (2026-11-28), as `kill -9` of `agentctl dev` left it, without the zeros at its end: generation 2 was rolled back from and
 * quarantined, `steady` had just been killed, `worn` is held, and `parked` was stopped by a person.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { HostManifest } from "@daruma/config";
import t, { type Test } from "tap";
import { openJournal } from "../journal/journal.ts";
import type { Command, Event } from "../policy/events.ts";
import { nextWake, step } from "../policy/policy.ts";
import type { State } from "../policy/state.ts";
import { type Durable, recoverDurable } from "./durable.ts";

const fixture = join(import.meta.dirname, "fixtures", "earlier-release");
const manifest: HostManifest = JSON.parse(readFileSync(join(fixture, "host.json"), "utf8"));

async function recover(t: Test): Promise<Durable> {
  const dir = t.testdir();
  for (const name of ["journal-0", "journal-1"]) {
    const file = Buffer.alloc(4 * 1024 * 1024);
    readFileSync(join(fixture, name)).copy(file);
    writeFileSync(join(dir, name), file);
  }
  const journal = await openJournal({ dir });
  t.teardown(() => journal.close());
  if (journal.recovered === null) throw new Error("there is nothing in it");
  return recoverDurable(journal.recovered);
}

/** watchd of this release on what it has found: `alive` tells which runs are still there. */
function goOn({ state: found }: Durable, bootId: string, mono: number, alive: boolean) {
  const asked: Command[] = [];
  let [state, now] = [found, mono];
  const send = (event: Event) => {
    const taken = step(state, event, { mono: now, wall: 1_900_000_000_000 });
    state = taken.state;
    asked.push(...taken.commands);
  };
  const runs = Object.entries(alive ? found.agents : {}).flatMap(([agent, { run }]) =>
    run === null
      ? []
      : [{ agent, runId: run.runId, digest: run.digest, pid: 1, startedAt: run.started.wall }],
  );
  send({ type: "boot", bootId });
  const { path = "", number = 0 } = found.generation ?? {};
  send({ type: "generation", current: { path, number, manifest }, knownGood: found.knownGood });
  send({ type: "runs", runs, stopped: ["parked"], takenAt: now });
  return {
    asked,
    get state(): State {
      return state;
    },
    wait() {
      now = Math.max(now, nextWake(state) ?? now);
      send({ type: "tick" });
    },
  };
}

t.test("what was learned is still known, and what runs is taken over", async (t) => {
  const durable = await recover(t);
  const before = durable.state;
  t.ok(durable.nextEntry > durable.waiting.length);
  const { state, asked } = goOn(durable, before.bootId, before.steppedAt ?? 0, true);
  t.match(before.quarantine, [{ number: 2, agent: "steady" }]);
  for (const key of ["quarantine", "knownGood", "spentBudget", "epoch"] as const)
    t.same(state[key], before[key], key);
  t.match(state.agents, {
    steady: { phase: "backoff", incident: { id: before.agents.steady?.incident?.id } },
    checked: {
      phase: "verifying",
      run: { runId: before.agents.checked?.run?.runId },
      probe: { misses: [] },
    },
    worn: { held: true, incident: { id: before.agents.worn?.incident?.id } },
    parked: { phase: "stopped", stoppedBy: "person" },
  });
  t.same(
    asked.filter(({ type }) => type === "start" || type === "stop"),
    [],
  );
});

t.test("after a reboot everything that is to run is started", async (t) => {
  const durable = await recover(t);
  const watchd = goOn(durable, "another boot", 5_000, false);
  for (let time = 0; time < 20; time += 1) watchd.wait();
  const started = new Set(watchd.asked.flatMap((each) => (each.type === "start" ? [each.agent] : [])));
  t.same([...started].sort(), ["checked", "steady", "worn"]);
  t.equal(watchd.state.agents.parked?.stoppedBy, "person");
});
