import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { initialState, type State } from "../policy/state.ts";
import { gatesOf } from "./gates.ts";
import { createGatesFile } from "./gates-file.ts";

const fresh = initialState({ epoch: "e", bootId: "b", seed: 1 });
const instant = { mono: 0, wall: 0 };

const full: State = {
  ...fresh,
  generation: {
    number: 3,
    path: "/nix/store/c-system",
    hostDigest: "h",
    watchdog: { probationMs: 1, rollbackBudget: 2 },
    activated: instant,
    activatedTurn: 1,
  },
  spentBudget: { "/nix/store/c-system": 1, "/nix/store/d-system": 2 },
  quarantine: [{ path: "/nix/store/d-system", number: 2, agent: "a", digest: "x", incident: "i", at: 0 }],
  rejected: ["/nix/store/e-system"],
  rollback: {
    id: "rb-e-7",
    by: "watchd",
    from: "/nix/store/c-system",
    target: "/nix/store/a-system",
    targetNumber: 1,
    agent: "a",
    incident: "i",
    decided: instant,
    attempts: 1,
  },
};

t.test("the gates say what a shell must know, one fact a line", async (t) => {
  t.equal(gatesOf(fresh), "daruma-gates 1\nend\n");
  t.same(gatesOf(full).split("\n"), [
    "daruma-gates 1",
    "current /nix/store/c-system",
    "budget 2",
    "spent 1 /nix/store/c-system",
    "spent 2 /nix/store/d-system",
    "quarantined /nix/store/d-system",
    "broke a x /nix/store/d-system",
    "rejected /nix/store/e-system",
    "rollback rb-e-7 /nix/store/c-system /nix/store/a-system",
    "end",
    "",
  ]);
});

t.test("a path that would not be one word is a bug, not a line", async (t) => {
  t.throws(() => gatesOf({ ...fresh, rejected: ["/a b"] }), /cannot be a word/);
  t.throws(() => gatesOf({ ...fresh, rejected: ["/a\nquarantined /b"] }), /cannot be a word/);
});

t.test("the file is written when one of its facts changes, and only then", async (t) => {
  const state = await mkdtemp(join(tmpdir(), "daruma-gates-"));
  t.teardown(() => rm(state, { recursive: true, force: true }));
  const gates = createGatesFile({ state });
  const file = join(state, "gates");
  await gates.keep(full);
  t.equal(await readFile(file, "utf8"), gatesOf(full));
  const { ino } = await stat(file);
  await gates.keep({ ...full, turn: 99 });
  t.equal((await stat(file)).ino, ino);
  await Promise.all([gates.keep(fresh), gates.keep({ ...full, rollback: null })]);
  t.equal(await readFile(file, "utf8"), gatesOf({ ...full, rollback: null }), "the last one wins");
});

t.test("gates that cannot be written are an error, and written as soon as they can be", async (t) => {
  const state = await mkdtemp(join(tmpdir(), "daruma-gates-"));
  t.teardown(() => rm(state, { recursive: true, force: true }));
  const blocked = join(state, "file");
  await writeFile(blocked, "");
  const gates = createGatesFile({ state: blocked });
  await t.rejects(gates.keep(full));
  await rm(blocked);
  await gates.keep(full);
  t.equal(await readFile(join(blocked, "gates"), "utf8"), gatesOf(full));
});
