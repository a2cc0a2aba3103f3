import type { Process } from "../process.ts";
import type { Watchd } from "../watchd.ts";
import { later, type World } from "../world.ts";

/** The longest time for which a process here calls itself idle. */
export const longestIdleMs = 5_000;

export function anyProcess({ machine, random }: World): Process | null {
  const ours = machine.processes.filter(({ life }) => life !== 0);
  return ours.length === 0 ? null : random.pick(ours);
}

export function aProcessCrashes(world: World): void {
  const process = anyProcess(world);
  if (process !== null) world.nature.crash(process);
}

export function aProcessHangs(world: World): void {
  const process = anyProcess(world);
  if (process !== null) world.nature.hang(process);
}

/** For good, or only for a while. */
export function aProcessFalters(world: World): void {
  const process = anyProcess(world);
  if (process === null) return;
  world.nature.falter(process);
  if (world.random.chance(0.6))
    later(world, world.random.whole(2_000, 40_000), () => {
      process.falters = 0;
    });
}

export function aProcessFallsSilent(world: World): void {
  const process = anyProcess(world);
  if (process !== null) world.nature.fallSilent(process);
}

export function aProcessExits(world: World): void {
  const process = anyProcess(world);
  if (process !== null) world.nature.exit(process, world.random.pick([0, 75, 75]));
}

/** It may ask again and again, and too soon; and what is started in its place may do the same. */
export function aProcessAsksForItsRestart(world: World, watchd: Watchd): void {
  const process = anyProcess(world);
  if (process === null || process.hung) return;
  const { agent, runId } = process.run;
  for (let time = world.random.whole(1, 3); time > 0; time -= 1)
    watchd.send({ type: "restart-asked", agent, runId }, world.random.delay(0, 12_000));
  const habit = world.random.chance(0.3) ? world.random.whole(2, 8) : 0;
  for (let time = 1; time <= habit; time += 1)
    later(world, time * 10_500, () => {
      const now = livingOf(world, agent);
      if (now !== undefined && !now.hung)
        watchd.send({ type: "restart-asked", agent, runId: now.run.runId }, 0);
    });
}

export function aProcessGrows(world: World): void {
  const process = anyProcess(world);
  if (process !== null) world.nature.grow(process);
}

export function aProcessLeaks(world: World): void {
  const process = anyProcess(world);
  if (process !== null) world.nature.leak(process);
}

/** For good, or only for a while; and what is started in its place may do the same. It may say when it is idle. */
export function aProcessHoardsFiles(world: World, watchd: Watchd): void {
  const process = anyProcess(world);
  if (process === null) return;
  const { agent } = process.run;
  const habit = world.random.chance(0.5) ? world.random.whole(2, 12) : 0;
  for (let time = 0; time <= habit; time += 1)
    later(world, time * 5_000, () => {
      const now = livingOf(world, agent);
      if (now === undefined) return;
      world.nature.hoard(now);
      if (world.random.chance(0.2)) isIdle(world, watchd, now);
    });
  if (world.random.chance(0.6))
    later(world, world.random.whole(5_000, 40_000), () => {
      process.files = 10;
    });
}

export function aProcessGetsStuck(world: World): void {
  const process = anyProcess(world);
  if (process !== null) world.nature.getStuck(process);
}

/** It may say so too late, or take it back. */
export function aProcessIsIdle(world: World, watchd: Watchd): void {
  const process = anyProcess(world);
  if (process !== null) isIdle(world, watchd, process);
}

/** What runs of the agent now; it may be another process than some time ago. */
function livingOf(world: World, agent: string): Process | undefined {
  return world.machine.processes.find(({ run, life }) => run.agent === agent && life !== 0);
}

function isIdle(world: World, watchd: Watchd, process: Process): void {
  if (process.hung) return;
  const { agent, runId } = process.run;
  const forMs = world.random.pick([0, 100, longestIdleMs]);
  watchd.send({ type: "idle", agent, runId, forMs }, world.random.delay(0, 100));
}

export function aProcessIgnoresItsStop(world: World): void {
  const process = anyProcess(world);
  if (process === null) return;
  process.deaf = true;
  if (world.random.chance(0.3)) process.stuckUntil = world.machine.time + world.random.delay(1_000, 40_000);
}
