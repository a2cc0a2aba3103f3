import { own } from "@daruma/base";
import type { RestartPolicy } from "@daruma/config";
import { isDrained } from "../policy/operator.ts";
import type { State } from "../policy/state.ts";
import type { CurrentGeneration } from "../ports.ts";
import { Broken } from "./broken.ts";
import { plainDelay } from "./delays.ts";
import { deploy, start } from "./mischief/people.ts";
import type { Watchd } from "./watchd.ts";
import { advance, type World } from "./world.ts";

/** Simulated time in which everything must have come right; the slowest policies need most of it. */
const patienceMs = 10 * 60_000;

/** Faults stop; then all that can be well gets well, a broken deploy is taken back, and a drain leaves nothing behind. */
export function endWell(world: World, watchd: Watchd): void {
  const { random, climate, profile, machine } = world;
  watchd.sheltered = true;
  climate.switchFailures = 0;
  profile.damaged.clear();
  const needy = [...machine.outages.keys()];
  machine.outages.clear();
  for (const agent of needy) machine.touch(agent);
  watchd.tellUpstreams();
  machine.diskGone = false;
  machine.ledgerAway = false;
  watchd.tellLedger();
  for (const process of machine.processes) {
    process.deaf = false;
    process.falters = 0;
  }
  startAll(world, watchd);
  waitFor(
    world,
    () => watchd.isAlive(watchd.life) && isWell(world, watchd.state),
    "not every agent gets well",
  );
  waitFor(world, () => world.ledger.missing === null, "the ledger is not told of all that was done");
  const ending = random.pick(["rollback", "rollback", "drain", "rest"]);
  if (ending === "rollback") expectRollback(world, watchd);
  else if (ending === "drain") {
    watchd.send({ type: "drain" }, 0);
    waitFor(world, () => isDrained(watchd.state) && machine.processes.length === 0, "a drain never ends");
  }
}

/** Persons start what persons have stopped, once watchd has heard of all that was. */
function startAll(world: World, watchd: Watchd): void {
  const { machine } = world;
  const settled = machine.time + 90_000;
  waitFor(
    world,
    () => machine.time > settled && watchd.isAlive(watchd.life) && watchd.state.surveyed,
    "watchd does not come up",
  );
  for (const name of [...machine.stopped, ...Object.keys(watchd.state.agents)]) start(machine, watchd, name);
}

/** Whether the current generation runs as well as its code allows. */
function isWell(world: World, state: State): boolean {
  const { current } = world.profile;
  if (!state.surveyed || state.rollback !== null || current === null) return false;
  if (state.generation?.number !== current.number) return false;
  const names = Object.keys(current.manifest.agents);
  if (Object.keys(state.agents).some((name) => !names.includes(name))) return false;
  return names.every((name) => {
    const digest = current.manifest.agents[name]?.digest ?? "";
    const agent = own(state.agents, name);
    const inForce = agent?.standIn == null ? digest : agent.policy.digest;
    if (world.fleet.version(inForce).defect !== "none") return true;
    if (agent === undefined || agent.policy.digest !== inForce) return false;
    if (agent.phase === "completed" || agent.phase === "failed") return true;
    return agent.phase === "healthy" && agent.incident === null && world.machine.aliveOf(name).length === 1;
  });
}

/** From a generation that is known-good, a broken deploy must lead back, by itself. */
function expectRollback(world: World, watchd: Watchd): void {
  const good = settleOnKnownGood(world, watchd);
  if (good === null) return;
  deploy(world, true);
  const bad = world.profile.current;
  if (bad === null || bad.path === good.path || !mayRollBack(watchd.state, bad)) return;
  const culprits = culpritsIn(world, good, bad);
  if (culprits.length === 0) return;
  const backAndWell = () => world.profile.current?.path !== bad.path && isWell(world, watchd.state);
  // What has failed before the switch was noticed is no fault of the deploy, and rightly stays.
  const older = () => culprits.some((name) => failedBefore(watchd.state, bad, name));
  // Or those whose fault it is run with other settings, that may be of use.
  const dressed = () => culprits.every((name) => wearsSomethingBetter(world, watchd.state, name));
  waitFor(
    world,
    () => backAndWell() || older() || (dressed() && isWell(world, watchd.state)),
    "a broken deploy stays",
  );
}

/** Lets the current generation become known-good; null if it does not, as where it is broken itself. */
function settleOnKnownGood(world: World, watchd: Watchd): CurrentGeneration | null {
  const { profile, machine } = world;
  const until = machine.time + 2 * 60_000;
  const settled = () => profile.knownGood[0]?.path === profile.current?.path;
  while (!settled() && machine.time < until) advance(world);
  const { rejected, quarantine } = watchd.state;
  const barred = [...rejected, ...quarantine.map(({ path }) => path)];
  return settled() && profile.current !== null && !barred.includes(profile.current.path)
    ? profile.current
    : null;
}

function mayRollBack(state: State, { path, manifest }: CurrentGeneration): boolean {
  return (state.spentBudget[path] ?? 0) < manifest.watchdog.rollbackBudget;
}

function wearsSomethingBetter({ fleet }: World, state: State, name: string): boolean {
  const agent = state.agents[name];
  if (agent?.standIn == null) return false;
  const { defect } = fleet.version(agent.policy.digest);
  // What was known-good and fails all the same is for nobody to mend, and what its policy calls well is no failure.
  const isFine = agent.standIn.kind === "earlier" || agent.phase === "completed" || agent.phase === "healthy";
  return isFine || !hopelessDefects.includes(defect);
}

const hopelessDefects: readonly string[] = [
  "cannot-start",
  "never-healthy",
  "exits-at-start",
  "misconfigured",
];

/** The agents that `bad` has broken so thoroughly that it must be taken back. */
function culpritsIn({ fleet }: World, good: CurrentGeneration, bad: CurrentGeneration): readonly string[] {
  return Object.entries(bad.manifest.agents).flatMap(([name, { digest, escalate, restart, health }]) => {
    const { defect } = fleet.version(digest);
    const never = defect === "cannot-start" || (defect === "never-healthy" && health !== null);
    const hopeless = never || (defect === "exits-at-start" && fillsItsWindow(restart));
    const blamed = escalate.includes("rollback") && restart.when !== "never";
    return hopeless && blamed && own(good.manifest.agents, name)?.digest !== digest ? [name] : [];
  });
}

/** An agent that is well for a moment at each start fails often enough only if its policy restarts it fast enough. */
function fillsItsWindow({ attempts, withinMs, backoff, exits = {} }: RestartPolicy): boolean {
  // Some of its ends say something else than that it has failed.
  if (Object.keys(exits).length > 0) return false;
  let span = attempts * 1_000;
  for (let restart = 1; restart < attempts; restart += 1) {
    span += plainDelay(backoff, restart) * (1 + backoff.jitter);
  }
  return span < withinMs;
}

function failedBefore({ generation, agents }: State, bad: CurrentGeneration, name: string): boolean {
  const agent = own(agents, name);
  if (generation?.path !== bad.path || agent?.incident == null) return false;
  const { activatedTurn } = generation;
  return agent.incident.sinceTurn <= activatedTurn && agent.changedIn !== activatedTurn;
}

function waitFor(world: World, condition: () => boolean, otherwise: string): void {
  const until = world.machine.time + patienceMs;
  while (!condition()) {
    if (world.machine.time > until) throw new Broken("liveness", otherwise);
    advance(world);
  }
}
