import fc from "fast-check";
import t from "tap";
import type { Run, RunExit, ServiceManager } from "../ports.ts";
import { until } from "../processes/fixtures/lab.ts";
import { type Bench, gently, openBench, startAgent } from "./fixtures/bench.ts";

const steps = [
  "start",
  "stop",
  "list",
  "fails",
  "ends well",
  "is killed with its hook",
  "systemd restarts it",
  "a person stops it",
  "a person starts it",
  "watchd is replaced",
] as const;

/** What a core would have heard. */
class Walk {
  readonly exits: RunExit[] = [];
  readonly #bench: Bench;
  /** Every run that was told of, by its pid: taken over under another id, it is still the same one. */
  readonly #runs = new Map<number, string>();
  #manager: ServiceManager;

  constructor(bench: Bench) {
    this.#bench = bench;
    bench.systemd.define("a", { digest: "d1" });
    this.#manager = this.#open();
  }

  async take(step: (typeof steps)[number]): Promise<void> {
    const { systemd } = this.#bench;
    switch (step) {
      case "start":
        if ((await this.list()).length === 0) this.#note(await startAgent(this.#bench, this.#manager));
        return;
      case "stop":
        for (const { runId } of await this.list()) await this.#manager.stop(runId, gently);
        return;
      case "list":
        return void (await this.list());
      case "fails":
        return systemd.isAlive("a") ? systemd.end("a", { code: 1 }) : undefined;
      case "ends well":
        return systemd.isAlive("a") ? systemd.end("a", { code: 0 }) : undefined;
      case "is killed with its hook":
        return systemd.isAlive("a") ? systemd.killGroup("a") : undefined;
      case "systemd restarts it":
        return systemd.passRestartSec("a");
      case "a person stops it":
        return void (await systemd.stopOutside("a"));
      case "a person starts it":
        return void (await systemd.startOutside("a"));
      case "watchd is replaced":
        await this.#manager.close();
        this.#manager = this.#open();
    }
  }

  async list(): Promise<readonly Run[]> {
    const runs = await this.#manager.list();
    for (const run of runs) this.#note(run);
    return runs;
  }

  /** Runs that were told of and are over. */
  async over(): Promise<readonly string[]> {
    const alive = new Set((await this.list()).map(({ runId }) => runId));
    return [...this.#runs.values()].filter((runId) => !alive.has(runId));
  }

  #note({ pid, runId }: Run): void {
    this.#runs.set(pid, runId);
  }

  #open(): ServiceManager {
    const manager = this.#bench.manager();
    manager.onExit((exit) => this.exits.push(exit));
    return manager;
  }
}

t.test("whatever happens to a unit, each run that was told of is told ended once", async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.constantFrom(...steps), { maxLength: 25 }), async (path) => {
      const bench = openBench(t);
      const walk = new Walk(bench);
      for (const step of path) await walk.take(step);
      const told = () => walk.exits.map(({ runId }) => runId);
      const over = await walk.over();
      await until("all ends are told", () => over.every((runId) => told().includes(runId)));
      const [run, ...others] = await walk.list();
      if (new Set(told()).size !== walk.exits.length) throw new Error(`told twice: ${told()}`);
      if (run !== undefined && told().includes(run.runId)) throw new Error("told of one that is alive");
      if (others.length > 0 || (run !== undefined) !== bench.systemd.isAlive("a"))
        throw new Error("the list is not what is alive");
    }),
    { numRuns: 60 },
  );
});
