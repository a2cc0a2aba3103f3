import type { Watchd } from "../watchd.ts";
import { later, type World } from "../world.ts";

/** One agent or all of them lose what they need. */
export function somethingOutsideIsDown(world: World, watchd: Watchd): void {
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

export function theLedgerTakesNothing(world: World, watchd: Watchd): void {
  world.machine.ledgerAway = true;
  watchd.tellLedger();
  later(world, world.random.delay(500, 60_000), () => {
    world.machine.ledgerAway = false;
    watchd.tellLedger();
  });
}

export function theDiskTakesNothing(world: World): void {
  world.machine.diskGone = true;
  later(world, world.random.delay(500, 60_000), () => {
    world.machine.diskGone = false;
  });
}

export function watchdIsKilled({ random }: World, watchd: Watchd): void {
  watchd.kill(random.delay(20, 20_000));
}

export function watchdIsKilledInMidAction({ random }: World, watchd: Watchd): void {
  watchd.doom(random.pick(["before-journal", "after-journal"]));
}

export function watchdStalls({ random }: World, watchd: Watchd): void {
  watchd.stall(random.chance(0.8) ? random.delay(10, 3_000) : random.delay(3_000, 60_000));
}

/** Where a switch back has failed, its target may be what boots next. */
export function thePowerFails({ random, profile, climate }: World, watchd: Watchd): void {
  const { awaitsBoot } = watchd.state;
  if (awaitsBoot !== null && awaitsBoot.from === profile.current?.path && random.chance(0.5))
    profile.switchTo(awaitsBoot.target, climate.reuseNumbers);
  watchd.reboot(random.delay(500, 20_000));
}

export function aClosureIsDamaged({ profile, random }: World): void {
  const { path } = random.pick(profile.generations);
  if (random.chance(0.3)) profile.damaged.delete(path);
  else profile.damaged.add(path);
}

export function aKnownGoodLinkIsLost({ profile, random }: World): void {
  if (profile.knownGood.length > 0) profile.forget(random.pick(profile.knownGood).path);
}

export function switchesFail({ climate, random }: World): void {
  climate.switchFailures = climate.switchFailures > 0 ? 0 : random.pick([0.3, 0.9]);
}

export function theWallClockJumps({ machine, random }: World): void {
  const by = random.delay(1_000, 40 * 86_400_000);
  machine.jumpWall(random.chance(0.5) ? by : -by);
}
