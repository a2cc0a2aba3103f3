import { randomInt } from "node:crypto";
import t from "tap";
import { nextWake, step } from "../policy/policy.ts";
import { mutants } from "./fixtures/mutants.ts";
import { simulate, stepsPerRun } from "./run.ts";
import { tell } from "./story.ts";
import type { Core } from "./world.ts";

const fixedSeeds = Array.from({ length: 150 }, (_, at) => at + 1);

/** Seeds within which each broken policy has to be found. */
const patience = 1_500;

t.test(
  "every invariant holds, and all comes right in the end, for the fixed seeds and for a fresh one",
  async (t) => {
    const fresh = randomInt(2 ** 32);
    t.comment(`the fresh seed is ${fresh}: make simulate SEED=${fresh} RUNS=1`);
    for (const seed of [...fixedSeeds, fresh]) {
      const { steps, failure } = simulate(seed);
      if (failure !== null) t.fail(tell(failure));
      if (steps < stepsPerRun) t.fail(`seed ${seed} ended after ${steps} steps`);
    }
    t.pass("nothing was found");
  },
);

t.test("the same seed always takes the same course", async (t) => {
  const course = (seed: number) => {
    const told: unknown[] = [];
    const core: Core = {
      nextWake,
      step: (state, event, now) => {
        const taken = step(state, event, now);
        told.push(event, now, taken.commands, taken.records);
        return taken;
      },
    };
    simulate(seed, core);
    return JSON.stringify(told);
  };
  t.equal(course(7), course(7));
  t.not(course(7), course(8));
});

for (const { does, core, foundBy } of mutants) {
  t.test(`a policy that ${does} is found out`, async (t) => {
    for (let seed = 1; seed <= patience; seed += 1) {
      const { failure } = simulate(seed, core);
      if (failure === null || !foundBy.includes(failure.invariant)) continue;
      t.match(tell(failure), new RegExp(`^make simulate SEED=${seed} RUNS=1\n`));
      t.ok(failure.story.length > 0);
      return;
    }
    t.fail(`not within ${patience} seeds`);
  });
}
