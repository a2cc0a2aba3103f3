import type { Watchd } from "../watchd.ts";
import { later, type World } from "../world.ts";
import { anyProcess } from "./processes.ts";

export function deployGood(world: World): void {
  deploy(world, false);
}

export function deployBroken(world: World): void {
  deploy(world, true);
}

export function deploy({ machine, profile, fleet }: World, broken: boolean): void {
  const { current } = profile;
  if (current !== null && !machine.diskGone) profile.deploy(fleet.change(current.manifest, broken));
}

/** The same as now under a new number, or something that was there before, quarantined or not. */
export function deployAgain({ machine, profile, random }: World): void {
  if (!machine.diskGone) profile.deploy(random.pick(profile.generations).manifest);
}

export function aPersonRollsBack({ profile, random }: World, watchd: Watchd): void {
  const { path, number } = random.pick(profile.generations);
  watchd.send({ type: "operator-rollback", target: path, targetNumber: number }, 0);
}

export function aPersonAllows({ profile, random }: World, watchd: Watchd): void {
  const quarantined = watchd.state.quarantine;
  const { path } = quarantined.length > 0 ? random.pick(quarantined) : random.pick(profile.generations);
  watchd.send({ type: "operator-allow", path }, 0);
}

export function aPersonStops({ machine, profile, random }: World): void {
  const agents = Object.keys(profile.current?.manifest.agents ?? {});
  if (agents.length > 0) machine.stopped.add(random.pick(agents));
}

export function aPersonStarts({ machine, profile, random }: World, watchd: Watchd): void {
  const agents = Object.keys(profile.current?.manifest.agents ?? {});
  const stopped = [...machine.stopped];
  if (agents.length === 0) return;
  start(machine, watchd, random.pick(stopped.length > 0 && random.chance(0.7) ? stopped : agents));
}

export function start(machine: World["machine"], watchd: Watchd, agent: string): void {
  machine.stopped.delete(agent);
  watchd.send({ type: "operator-start", agent }, 0);
}

/** As `systemctl stop` does it; somebody may start it in the same way later. */
export function aRunIsStoppedBehindOurBack(world: World, watchd: Watchd): void {
  const process = anyProcess(world);
  if (process === null) return;
  const { agent, runId } = process.run;
  process.stopAsked = true;
  process.stopAskedOutside = true;
  // It may take its time, and the news of it may come late or never.
  if (world.random.chance(0.7)) watchd.send({ type: "stop-asked", agent, runId }, world.random.delay(1, 40));
  later(world, world.random.chance(0.5) ? 0 : world.random.delay(10, 20_000), () =>
    world.machine.end(process, { kind: "stopped", inSwitch: world.random.chance(0.5) }),
  );
  later(world, world.random.delay(100, 60_000), () => {
    const digest = inForce(world, watchd, agent);
    if (digest !== undefined && world.machine.aliveOf(agent).length === 0) appear(world, agent, digest);
  });
}

/** A run that watchd has not started: left over from somebody's experiment. */
export function aStrangerAppears(world: World, watchd: Watchd): void {
  const { profile, random } = world;
  const agents = Object.entries(profile.current?.manifest.agents ?? {});
  if (agents.length === 0) return;
  const [name, { digest }] = random.pick(agents);
  appear(world, name, inForce(world, watchd, name) ?? digest);
}

/** What the service manager would start: it has the settings that stand in for the declared ones. */
function inForce({ profile }: World, { state }: Watchd, agent: string): string | undefined {
  const standsIn = Object.hasOwn(state.agents, agent) && state.agents[agent]?.standIn != null;
  return standsIn ? state.agents[agent]?.policy.digest : profile.current?.manifest.agents[agent]?.digest;
}

function appear({ machine, nature, random }: World, agent: string, digest: string): void {
  nature.animate(machine.spawn(agent, `stranger-${random.whole(1, 1e9)}`, digest, 0));
}
