import { nextWake, step } from "../policy/policy.ts";
import { Broken } from "./broken.ts";
import { wreakHavoc } from "./chaos.ts";
import { endWell } from "./ending.ts";
import { invariants } from "./invariants/index.ts";
import { Memory } from "./memory.ts";
import { noteEvent } from "./memory-events.ts";
import { noteOutcome } from "./memory-records.ts";
import { deploy } from "./mischief/people.ts";
import { type Seen, Watchd } from "./watchd.ts";
import { advance, type Core, createWorld, type World } from "./world.ts";

/** Steps that one run takes before its ending. */
export const stepsPerRun = 1_000;

const storyLength = 30;

export interface Failure {
  readonly seed: number;
  /** Name of the invariant that does not hold, `liveness`, or `crash` if the core threw. */
  readonly invariant: string;
  readonly message: string;
  readonly step: number;
  /** The last steps before it, oldest first. */
  readonly story: readonly Chapter[];
}

export interface Chapter {
  readonly time: number;
  readonly seen: Seen;
}

export interface Outcome {
  readonly steps: number;
  readonly failure: Failure | null;
}

/** One run: the same seed always takes the same course, until the core or the simulation changes. */
export function simulate(seed: number, core: Core = { step, nextWake }): Outcome {
  const world = createWorld(seed);
  const memory = new Memory();
  const story: Chapter[] = [];
  const see = (seen: Seen) => {
    story.push({ time: world.machine.time, seen });
    if (story.length > storyLength) story.shift();
    judge(seen, memory, world);
  };
  let heard = "";
  const listening: Core = {
    ...core,
    step: (state, event, now) => {
      heard = event.type;
      return core.step(state, event, now);
    },
  };
  const watchd = new Watchd(world, listening, see);
  try {
    live(world, watchd);
    endWell(world, watchd);
    return { steps: watchd.steps, failure: null };
  } catch (error) {
    const { invariant, message } = error instanceof Broken ? error : crashAt(heard, error);
    return { steps: watchd.steps, failure: { seed, invariant, message, step: watchd.steps, story } };
  }
}

/** What the core was told last, the error, and the first places of its stack, in one line. */
function crashAt(heard: string, error: unknown): Broken {
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  const where = stack
    .split("\n")
    .slice(0, 4)
    .map((line) => line.trim());
  return new Broken("crash", `on ${heard}: ${where.join(" ")}`);
}

function judge(seen: Seen, memory: Memory, world: World): void {
  noteEvent(memory, seen, world);
  for (const { name, holds } of invariants) {
    const why = holds(seen, memory, world);
    if (why !== null) throw new Broken(name, why);
  }
  noteOutcome(memory, seen, world);
}

function live(world: World, watchd: Watchd): void {
  const { random, profile, fleet } = world;
  profile.deploy(fleet.first());
  watchd.start();
  let calm = random.whole(0, 200);
  let unrest = 0;
  let judged = 0;
  while (watchd.steps < stepsPerRun) {
    advance(world);
    if (watchd.steps === judged) continue;
    judged = watchd.steps;
    calm -= 1;
    if (calm <= 0) {
      unrest = random.pick([0, 0, 0.01, 0.03, 0.1]);
      calm = random.whole(20, 150);
      // From a generation that is known-good, a broken deploy must lead back whatever else happens.
      const good = profile.knownGood[0]?.path === profile.current?.path;
      if (good && random.chance(0.5)) deploy(world, true);
    }
    // The most can go wrong while a rollback is on its way.
    const restless = watchd.state.rollback === null ? unrest : Math.max(unrest, 0.03);
    if (random.chance(restless)) wreakHavoc(world, watchd);
  }
}
