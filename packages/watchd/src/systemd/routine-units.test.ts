import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { RoutineManifest } from "@daruma/config";
import t, { type Test } from "tap";
import { plainRoutine } from "../routines/fixtures/plain.ts";
import type { RoutineExit, RoutineServices } from "../routines/services.ts";
import { FakeRoutines } from "./fixtures/fake-routines.ts";
import { environmentText } from "./routine-files.ts";
import { createRoutineUnits } from "./routine-units.ts";

const name = { routine: "nightly", run: "run-ab-1" } as const;
const unit = "daruma-routine-nightly@run-ab-1.service";
const stopPolicy = { signal: "SIGTERM", graceMs: 1_000 } as const;

class Bench {
  readonly systemd: FakeRoutines;
  readonly exits: RoutineExit[] = [];
  readonly root: string;
  services: RoutineServices;
  switching = false;

  constructor(t: Test) {
    this.root = t.testdir({});
    for (const each of ["exits", "cgroup", "routine-runs"]) mkdirSync(join(this.root, each));
    this.systemd = new FakeRoutines(this.root);
    this.services = this.#open();
    t.teardown(() => this.services.close());
  }

  #open(): RoutineServices {
    const at = (each: string) => join(this.root, each);
    const services = createRoutineUnits({
      site: { exits: at("exits"), cgroupRoot: at("cgroup"), routineRuns: at("routine-runs") },
      systemctl: this.systemd,
      isSwitching: () => this.switching,
      log: () => undefined,
    });
    services.onExit((exit) => this.exits.push(exit));
    return services;
  }

  start(attempt = 1, changes: Partial<RoutineManifest> = {}): Promise<void> {
    const manifest = { ...plainRoutine, digest: "one", ...changes };
    return this.services.start({
      ...name,
      attempt,
      manifest,
      environment: { DARUMA_ATTEMPT: String(attempt) },
    });
  }

  /** A new watchd in the place of this one, whatever it was about to do. */
  async restart(): Promise<void> {
    await this.services.close();
    this.services = this.#open();
  }

  async exit(count = 1): Promise<RoutineExit | undefined> {
    while (this.exits.length < count) await delay(2);
    return this.exits[count - 1];
  }
}

t.test("a run is told what it is, and its end has its cause", async (t) => {
  const bench = new Bench(t);
  await bench.start();
  t.same(await bench.services.list(), [name]);
  const told = readFileSync(join(bench.root, "routine-runs", "nightly@run-ab-1.env"), "utf8");
  t.equal(told, 'DARUMA_ATTEMPT="1"\n');
  bench.systemd.end(unit, "exited 3");
  t.same(await bench.exit(), { ...name, attempt: 1, cause: { kind: "exit", code: 3 } });
  t.same(await bench.services.list(), []);
  t.same(await bench.systemd.units(), [], "what has failed is not left to systemd");

  await bench.start(2);
  bench.systemd.end(unit, "killed KILL");
  t.same(await bench.exit(2), { ...name, attempt: 2, cause: { kind: "signal", signal: "SIGKILL" } });
});

t.test("a run that ends at once has begun all the same, and ends once", async (t) => {
  const bench = new Bench(t);
  bench.systemd.endsAtOnce = "exited 0";
  await bench.start();
  t.same(await bench.exit(), { ...name, attempt: 1, cause: { kind: "exit", code: 0 } });
  await bench.services.list();
  t.equal(bench.exits.length, 1);
});

t.test("a run outlives watchd, and one that ended meanwhile has its real result", async (t) => {
  const bench = new Bench(t);
  await bench.start();
  await bench.restart();
  t.same(await bench.services.list(), [name]);
  await bench.restart();
  bench.systemd.end(unit, "exited 0");
  t.same(await bench.services.list(), []);
  t.same(bench.exits, [{ ...name, attempt: 1, cause: { kind: "exit", code: 0 } }]);
  // Whether that watchd could make it durable, nobody knows: the next one says it again, until nobody wants to know.
  await bench.restart();
  await bench.services.list();
  t.equal(bench.exits.length, 2);
  await bench.services.keep(new Set([name.run]));
  t.ok(existsSync(join(bench.root, "exits", "nightly@run-ab-1")));
  await bench.services.keep(new Set());
  t.same(
    ["exits", "routine-runs"].flatMap((each) => readdirSync(join(bench.root, each))),
    [],
  );
});

t.test("a run that began as watchd died is found, alive or ended", async (t) => {
  const bench = new Bench(t);
  await bench.start();
  // As it was before systemd had answered.
  const record = join(bench.root, "routine-runs", "nightly@run-ab-1");
  writeFileSync(record, '{"attempt":1,"invocation":null}');
  await bench.restart();
  t.same(await bench.services.list(), [name]);
  writeFileSync(record, '{"attempt":1,"invocation":null}');
  bench.systemd.end(unit, "exited 4");
  await bench.restart();
  await bench.services.list();
  t.same(bench.exits, [{ ...name, attempt: 1, cause: { kind: "exit", code: 4 } }]);
});

t.test("where the hook was killed as well, nobody knows how the run ended, or systemd alone", async (t) => {
  const bench = new Bench(t);
  await bench.start();
  bench.systemd.end(unit, "exited 0", { hook: false });
  t.same(await bench.services.list(), []);
  t.match(bench.exits, [{ attempt: 1, cause: { kind: "unknown" } }]);
  await bench.start(2);
  bench.systemd.end(unit, "killed KILL", { hook: false });
  await bench.services.list();
  t.match(bench.exits[1], { attempt: 2, cause: { kind: "signal", signal: "SIGKILL" } });
});

t.test("what we stop has ended by its signal, and what somebody else stops was stopped", async (t) => {
  const bench = new Bench(t);
  await bench.start();
  await bench.services.stop(name, stopPolicy);
  t.match(bench.exits, [{ cause: { kind: "signal", signal: "SIGTERM" } }]);
  t.same(await bench.services.list(), []);
  await bench.services.stop(name, stopPolicy);
  t.equal(bench.exits.length, 1);
  await bench.start(2);
  await bench.systemd.stop(unit);
  t.match(await bench.exit(2), { attempt: 2, cause: { kind: "stopped", inSwitch: false } });
});

t.test(
  "a run is not over, and no attempt is begun beside it, while SIGKILL has not ended all of it",
  async (t) => {
    const bench = new Bench(t);
    bench.systemd.leaves = 4711;
    await bench.start();
    await t.rejects(bench.services.stop(name, stopPolicy), /SIGKILL has not ended .*: 4711/);
    t.same(await bench.services.list(), [name]);
    t.same(bench.exits, []);
    bench.systemd.clear(unit);
    t.same(await bench.services.list(), []);
    t.match(bench.exits, [{ cause: { kind: "signal", signal: "SIGTERM" } }]);

    bench.systemd.leaves = 4712;
    await bench.start(2);
    bench.systemd.end(unit, "exited 3");
    t.match(await bench.exit(2), { attempt: 2, cause: { kind: "exit", code: 3 } });
    await t.rejects(bench.start(3), { code: "WATCHD_E_START", message: /: 4712/ });
    bench.systemd.clear(unit);
    await bench.start(3);
    t.same(await bench.services.list(), [name]);
  },
);

t.test("what nobody here has started is listed, and can be stopped", async (t) => {
  const bench = new Bench(t);
  await bench.systemd.startOutside(unit);
  t.same(await bench.services.list(), [name]);
  await bench.services.stop(name, stopPolicy);
  t.match(bench.exits, [{ ...name, attempt: null }]);
});

t.test("nothing is started by another definition than the generation's", async (t) => {
  const bench = new Bench(t);
  bench.systemd.onDisk = "two";
  await bench.start(1, { digest: "two" });
  t.same(bench.systemd.done, ["reload", `start ${unit}`]);
  await bench.services.stop(name, stopPolicy);
  await t.rejects(bench.start(2, { digest: "three" }), { code: "WATCHD_E_OUTDATED" });
  t.same(bench.systemd.done.slice(2), [`stop ${unit}`, "reload"]);
});

t.test("a program that cannot be executed is no run that ended", async (t) => {
  const bench = new Bench(t);
  bench.systemd.cannot = 203;
  await t.rejects(bench.start(1, { command: ["/nowhere/x"] }), { code: "AGENT_E_COMMAND_NOT_FOUND" });
  t.same(await bench.services.list(), []);
  t.same(bench.exits, []);
});

t.test("starts wait for a switch to end", async (t) => {
  const bench = new Bench(t);
  bench.switching = true;
  let settled = false;
  const waiting = bench.services.settled().then(() => {
    settled = true;
  });
  await delay(20);
  t.equal(settled, false);
  bench.switching = false;
  await waiting;
});

t.test("an environment is read back as it was, but for what systemd cannot hold", async (t) => {
  t.equal(
    environmentText({ A: 'a "b" $c `d` \\ e\nf', B: "\u0007bell\ud800" }),
    'A="a \\"b\\" \\$c \\`d\\` \\\\ e\nf"\nB="\ufffdbell\ufffd"\n',
  );
});
