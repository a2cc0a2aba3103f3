import t from "tap";
import type { Event } from "../policy/events.ts";
import type { CurrentGeneration, Run } from "../ports.ts";
import { createSurvey } from "./survey.ts";

const runOf = (runId: string): Run => ({ agent: "a", runId, digest: "d1", pid: 7, startedAt: 1 });
const generation = (path: string) => ({ number: 1, path }) as CurrentGeneration;

/** A world whose answers are set by hand; `on` is called when a question is asked, before it is answered. */
function worldWith() {
  const told: Event[] = [];
  const world = {
    runs: [runOf("run-1")] as readonly Run[],
    stopped: new Set<string>(),
    switching: false,
    path: "/one",
    mono: 1_000,
    asked: [] as string[],
    on: async (_question: string): Promise<void> => undefined,
  };
  const ask = async (question: string) => {
    world.asked.push(question);
    await world.on(question);
  };
  const survey = createSurvey({
    world: {
      services: {
        list: async () => {
          const { runs } = world;
          await ask("list");
          return runs;
        },
        stopped: async () => {
          await ask("stopped");
          return world.stopped;
        },
      } as never,
      generations: {
        current: async () => {
          await ask("current");
          return generation(world.path);
        },
        switching: async () => {
          await ask("switching");
          return world.switching;
        },
      } as never,
    },
    clock: { now: () => ({ mono: world.mono, wall: 0 }), bootId: "b" },
    refresh: () => ask("refresh"),
    dispatch: (event) => told.push(event),
  });
  return { survey, told, world };
}

t.test("a look tells what is alive and what a person has stopped, as of before it was asked", async (t) => {
  const { survey, told, world } = worldWith();
  world.stopped = new Set(["z", "b"]);
  world.on = async (question) => {
    if (question === "list") world.mono = 2_000;
  };
  await survey.take();
  t.same(told, [{ type: "runs", runs: [runOf("run-1")], stopped: ["b", "z"], takenAt: 1_000 }]);
  t.same([...survey.runs.keys()], ["run-1"]);
  t.equal(world.asked[0], "refresh", "the core hears first which generation it is about");
});

t.test("in mid-switch nothing is told, nor asked", async (t) => {
  const { survey, told, world } = worldWith();
  world.switching = true;
  await survey.take();
  t.same(told, []);
  t.notOk(world.asked.includes("list"));
  world.switching = false;
  await survey.take();
  t.equal(told.length, 1);
});

t.test("a list is thrown away if a switch has begun, or come and gone, around it", async (t) => {
  for (const question of ["list", "stopped"]) {
    for (const happens of ["begins", "comes and goes"]) {
      const { survey, told, world } = worldWith();
      world.on = async (asked) => {
        if (asked !== question) return;
        if (happens === "begins") world.switching = true;
        else world.path = "/two";
      };
      await survey.take();
      t.same(told, [], `${happens} during ${question}`);
      t.equal(survey.runs.size, 0);
    }
  }
});

t.test("looks are told in the order in which they were asked for, one at a time", async (t) => {
  const { survey, told, world } = worldWith();
  const first = Promise.withResolvers<void>();
  world.on = async (question) => {
    if (question !== "list") return;
    world.on = async () => undefined;
    await first.promise;
  };
  const older = survey.take();
  const newer = survey.take();
  while (!world.asked.includes("list")) await new Promise((resolve) => setImmediate(resolve));
  world.runs = [runOf("run-2")];
  first.resolve();
  await Promise.all([older, newer]);
  t.same(
    told.map((event) => (event.type === "runs" ? event.runs.map(({ runId }) => runId) : [])),
    [["run-1"], ["run-2"]],
  );
});

t.test("a look that fails is an error for who asked for it, and none for who asks next", async (t) => {
  const { survey, told, world } = worldWith();
  world.on = async (question) => {
    if (question === "list") throw new Error("systemd does not answer");
  };
  const failed = survey.take();
  const next = survey.take();
  await t.rejects(failed, { message: "systemd does not answer" });
  await t.rejects(next, { message: "systemd does not answer" });
  world.on = async () => undefined;
  await survey.take();
  t.equal(told.length, 1);
});

t.test("what has been started since is alive, until the next look", async (t) => {
  const { survey } = worldWith();
  await survey.take();
  survey.add(runOf("run-2"));
  t.same([...survey.runs.keys()], ["run-1", "run-2"]);
  await survey.take();
  t.same([...survey.runs.keys()], ["run-1"]);
});
