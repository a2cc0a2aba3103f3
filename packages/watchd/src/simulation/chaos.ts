import type { Process } from "./machine.ts";
import type { Watchd } from "./watchd.ts";
import { later, type World } from "./world.ts";

/** The longest time for which a process here calls itself idle. */
export const longestIdleMs = 5_000;

type Mischief = (world: World, watchd: Watchd) => void;

/** What may go wrong, and what people may do at the worst moment; the weight says how often. */
const mischief: readonly (readonly [number, Mischief])[] = [
  [6, aProcessCrashes],
  [3, aProcessHangs],
  [2, aProcessFallsSilent],
  [2, aProcessExits],
  [1, aProcessAsksForItsRestart],
  [1, aProcessGrows],
  [1.5, aProcessLeaks],
  [2.5, aProcessHoardsFiles],
  [1, aProcessGetsStuck],
  [1, aProcessIsIdle],
  [1, aProcessIgnoresItsStop],
  [2, somethingOutsideIsDown],
  [1, theLedgerTakesNothing],
  [3, deployGood],
  [4, deployBroken],
  [1, deployAgain],
  [1, aPersonRollsBack],
  [1, aPersonAllows],
  [1, aPersonStops],
  [1, aPersonStarts],
  [0.7, aRunIsStoppedBehindOurBack],
  [2, watchdIsKilled],
  [2, watchdIsKilledInMidAction],
  [1, watchdStalls],
  [0.7, thePowerFails],
  [1, aClosureIsDamaged],
  [0.3, aKnownGoodLinkIsLost],
  [2, switchesFail],
  [1, theWallClockJumps],
  [0.5, aStrangerAppears],
];

export function wreakHavoc(world: World, watchd: Watchd): void {
  world.random.weighted(mischief)(world, watchd);
}

function anyProcess({ machine, random }: World): Process | null {
  const ours = machine.processes.filter(({ life }) => life !== 0);
  return ours.length === 0 ? null : random.pick(ours);
}

function aProcessCrashes(world: World): void {
  const process = anyProcess(world);
  if (process !== null) world.nature.crash(process);
}

function aProcessHangs(world: World): void {
  const process = anyProcess(world);
  if (process !== null) world.nature.hang(process);
}

function aProcessFallsSilent(world: World): void {
  const process = anyProcess(world);
  if (process !== null) world.nature.fallSilent(process);
}

function aProcessExits(world: World): void {
  const process = anyProcess(world);
  if (process !== null) world.nature.exit(process, world.random.pick([0, 75, 75]));
}

/** It may ask again and again, and too soon; and what is started in its place may do the same. */
function aProcessAsksForItsRestart(world: World, watchd: Watchd): void {
  const process = anyProcess(world);
  if (process === null || process.hung) return;
  const { agent, runId } = process.run;
  for (let time = world.random.whole(1, 3); time > 0; time -= 1)
    watchd.send({ type: "restart-asked", agent, runId }, world.random.delay(0, 12_000));
  const habit = world.random.chance(0.3) ? world.random.whole(2, 8) : 0;
  for (let time = 1; time <= habit; time += 1)
    later(world, time * 10_500, () => {
      const now = world.machine.processes.find(({ run, life }) => run.agent === agent && life !== 0);
      if (now !== undefined && !now.hung)
        watchd.send({ type: "restart-asked", agent, runId: now.run.runId }, 0);
    });
}

function aProcessGrows(world: World): void {
  const process = anyProcess(world);
  if (process !== null) world.nature.grow(process);
}

function aProcessLeaks(world: World): void {
  const process = anyProcess(world);
  if (process !== null) world.nature.leak(process);
}

/** For good, or only for a while; and what is started in its place may do the same. It may say when it is idle. */
function aProcessHoardsFiles(world: World, watchd: Watchd): void {
  const process = anyProcess(world);
  if (process === null) return;
  const { agent } = process.run;
  const habit = world.random.chance(0.5) ? world.random.whole(2, 12) : 0;
  for (let time = 0; time <= habit; time += 1)
    later(world, time * 5_000, () => {
      const now = world.machine.processes.find(({ run, life }) => run.agent === agent && life !== 0);
      if (now === undefined) return;
      world.nature.hoard(now);
      if (world.random.chance(0.2)) isIdle(world, watchd, now);
    });
  if (world.random.chance(0.6))
    later(world, world.random.whole(5_000, 40_000), () => {
      process.files = 10;
    });
}

function aProcessGetsStuck(world: World): void {
  const process = anyProcess(world);
  if (process !== null) world.nature.getStuck(process);
}

/** It may say so too late, or take it back. */
function aProcessIsIdle(world: World, watchd: Watchd): void {
  const process = anyProcess(world);
  if (process !== null) isIdle(world, watchd, process);
}

function isIdle(world: World, watchd: Watchd, process: Process): void {
  if (process.hung) return;
  const { agent, runId } = process.run;
  const forMs = world.random.pick([0, 100, longestIdleMs]);
  watchd.send({ type: "idle", agent, runId, forMs }, world.random.delay(0, 100));
}

function aProcessIgnoresItsStop(world: World): void {
  const process = anyProcess(world);
  if (process === null) return;
  process.deaf = true;
  if (world.random.chance(0.3)) process.stuckUntil = world.machine.time + world.random.delay(1_000, 40_000);
}

/** One agent or all of them lose what they need. */
function somethingOutsideIsDown(world: World, watchd: Watchd): void {
  const { machine, nature, profile, random } = world;
  const agents = Object.entries(profile.current?.manifest.agents ?? {});
  const all = random.chance(0.3);
  const chosen = random.pick(agents);
  // One thing that they all need: egressd sees it, whatever they make of it.
  const isSeen = all && agents.length > 1 && random.chance(0.5);
  const together = random.delay(500, 60_000);
  for (const [name, { health, dependencies }] of all ? agents : [chosen]) {
    // One that ended another early would leave nothing to be seen of that.
    if (machine.outageOf(name) !== null) continue;
    const declared = dependencies !== undefined && random.chance(0.5);
    const says = health === null || random.chance(0.5) ? "exit" : "answer";
    const shows = isSeen ? "crash" : declared ? "need" : says;
    // One that is over before anybody could look is as if it had not been.
    const forMs = isSeen ? together : random.delay(shows === "need" ? 30_000 : 500, 60_000);
    const outage = { until: machine.time + forMs, shows } as const;
    machine.suffer(name, outage);
    for (const process of machine.aliveOf(name)) nature.suffer(process, outage);
    later(world, forMs, () => machine.touch(name));
  }
  watchd.tellUpstreams();
  if (isSeen) later(world, together, () => watchd.tellUpstreams());
}

function theLedgerTakesNothing(world: World, watchd: Watchd): void {
  world.machine.ledgerAway = true;
  watchd.tellLedger();
  later(world, world.random.delay(500, 60_000), () => {
    world.machine.ledgerAway = false;
    watchd.tellLedger();
  });
}

function deployGood(world: World): void {
  deploy(world, false);
}

function deployBroken(world: World): void {
  deploy(world, true);
}

export function deploy({ profile, fleet }: World, broken: boolean): void {
  const { current } = profile;
  if (current !== null) profile.deploy(fleet.change(current.manifest, broken));
}

/** The same as now under a new number, or something that was there before, quarantined or not. */
function deployAgain({ profile, random }: World): void {
  profile.deploy(random.pick(profile.generations).manifest);
}

function aPersonRollsBack({ profile, random }: World, watchd: Watchd): void {
  const { path, number } = random.pick(profile.generations);
  watchd.send({ type: "operator-rollback", target: path, targetNumber: number }, 0);
}

function aPersonAllows({ profile, random }: World, watchd: Watchd): void {
  const quarantined = watchd.state.quarantine;
  const { path } = quarantined.length > 0 ? random.pick(quarantined) : random.pick(profile.generations);
  watchd.send({ type: "operator-allow", path }, 0);
}

function aPersonStops({ machine, profile, random }: World): void {
  const agents = Object.keys(profile.current?.manifest.agents ?? {});
  if (agents.length > 0) machine.stopped.add(random.pick(agents));
}

function aPersonStarts({ machine, profile, random }: World, watchd: Watchd): void {
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
function aRunIsStoppedBehindOurBack(world: World, watchd: Watchd): void {
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

function watchdIsKilled({ random }: World, watchd: Watchd): void {
  watchd.kill(random.delay(20, 20_000));
}

function watchdIsKilledInMidAction({ random }: World, watchd: Watchd): void {
  watchd.doom(random.pick(["before-journal", "after-journal"]));
}

function watchdStalls({ random }: World, watchd: Watchd): void {
  watchd.stall(random.chance(0.8) ? random.delay(10, 3_000) : random.delay(3_000, 60_000));
}

/** Where a switch back has failed, its target may be what boots next. */
function thePowerFails({ random, profile, climate }: World, watchd: Watchd): void {
  const { awaitsBoot } = watchd.state;
  if (awaitsBoot !== null && awaitsBoot.from === profile.current?.path && random.chance(0.5))
    profile.switchTo(awaitsBoot.target, climate.reuseNumbers);
  watchd.reboot(random.delay(500, 20_000));
}

function aClosureIsDamaged({ profile, random }: World): void {
  const { path } = random.pick(profile.generations);
  if (random.chance(0.3)) profile.damaged.delete(path);
  else profile.damaged.add(path);
}

function aKnownGoodLinkIsLost({ profile, random }: World): void {
  if (profile.knownGood.length > 0) profile.forget(random.pick(profile.knownGood).path);
}

function switchesFail({ climate, random }: World): void {
  climate.switchFailures = climate.switchFailures > 0 ? 0 : random.pick([0.3, 0.9]);
}

function theWallClockJumps({ machine, random }: World): void {
  const by = random.delay(1_000, 40 * 86_400_000);
  machine.jumpWall(random.chance(0.5) ? by : -by);
}

/** A run that watchd has not started: left over from somebody's experiment. */
function aStrangerAppears(world: World, watchd: Watchd): void {
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
