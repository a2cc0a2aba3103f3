import fc from "fast-check";
import t from "tap";
import { patientPolicy } from "./fixtures/machine.ts";
import { RoutineMap } from "./routine-map.ts";
import type { RoutineState } from "./state.ts";

/** Names that share buckets and names that do not, and one that every object has. */
const names = ["constructor", "etl", ...Array.from({ length: 150 }, (_, index) => `r${index}`)];

const firing = {
  id: "run-1",
  order: 1,
  trigger: "boot",
  cause: null,
  request: null,
  nominal: 1,
  deadline: null,
  told: false,
} as const;

const routines: fc.Arbitrary<RoutineState> = fc
  .record({
    declared: fc.boolean(),
    waits: fc.boolean(),
    nextAt: fc.option(fc.integer({ min: 0, max: 100 }), { nil: null }),
    decidedUpTo: fc.integer({ min: 0, max: 100 }),
    events: fc.subarray(["a", "b"]),
  })
  .map(({ events, waits, ...changes }) => ({
    policy: { ...patientPolicy, events },
    pause: null,
    spans: [],
    delayed: [],
    queue: waits ? [firing] : [],
    runs: [],
    last: null,
    results: [],
    ...changes,
  }));

const changes = fc.array(fc.tuple(fc.constantFrom(...names), fc.option(routines, { nil: null })), {
  minLength: 1,
  maxLength: 40,
});

t.test("what a map tells of its routines is what looking at each of them finds", async () => {
  fc.assert(
    fc.property(changes, fc.nat(100), fc.nat(100), (made, wall, decided) => {
      const plain = new Map<string, RoutineState>();
      let map = RoutineMap.empty;
      for (const [name, routine] of made) {
        if (routine === null) plain.delete(name);
        else plain.set(name, routine);
        map = map.with(name, routine);
        // Asked in between, it must not keep its answer.
        map.nextAt();
      }
      const namesWhere = (holds: (routine: RoutineState) => boolean) =>
        [...plain]
          .filter(([, routine]) => holds(routine))
          .map(([name]) => name)
          .sort();
      const isActive = ({ declared, queue }: RoutineState) => !declared || queue.length > 0;
      const isDue = ({ nextAt }: RoutineState) => nextAt !== null && nextAt <= wall;
      const times = [...plain.values()].map(({ declared, nextAt }) => (declared ? nextAt : null));
      const least = times.filter((at) => at !== null).toSorted((a, b) => a - b)[0] ?? null;
      const found = [
        [map.active().map(([name]) => name), namesWhere(isActive)],
        [
          map.timely(wall, decided),
          namesWhere((each) => isActive(each) || isDue(each) || each.decidedUpTo > decided),
        ],
        [map.listeners("a"), namesWhere(({ declared, policy }) => declared && policy.events.includes("a"))],
        [map.nextAt(), least],
        [[...map].map(([name]) => name).sort(), [...plain.keys()].sort()],
        [names.every((name) => map.get(name) === plain.get(name)), true],
        [RoutineMap.of(map.toRecord()).changesSince(map).size, 0],
      ];
      return found.every(([told, looked]) => JSON.stringify(told) === JSON.stringify(looked));
    }),
    { numRuns: 50 },
  );
});

t.test("changes since an earlier map are those, and an earlier map stays what it was", async (t) => {
  const [one, two] = fc.sample(routines, { numRuns: 2, seed: 1 });
  if (one === undefined || two === undefined) throw new Error("no sample");
  const before = RoutineMap.of({ kept: one, gone: one, other: one });
  const after = before.with("gone", null).with("other", two).with("more", two);
  t.same(
    new Map(after.changesSince(before)),
    new Map([
      ["gone", null],
      ["other", two],
      ["more", two],
    ]),
  );
  t.same(Object.keys(before.toRecord()).sort(), ["gone", "kept", "other"]);
});
