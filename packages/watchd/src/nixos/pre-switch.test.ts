import { spawnSync } from "node:child_process";
import { mkdirSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t, { type Test } from "tap";
import { initialState, type State } from "../policy/state.ts";
import { gatesOf } from "./gates.ts";

const program = join(import.meta.dirname, "pre-switch.sh");
const fresh = initialState({ epoch: "e", bootId: "b", seed: 1 });

/** A generation with one agent, and the gates that watchd has left; `check` is what the check says to a switch. */
function lab(t: Test, gates: (path: string) => string | null) {
  const root = realpathSync(t.testdir({}));
  const path = join(root, "system");
  mkdirSync(join(path, "etc/daruma"), { recursive: true });
  writeFileSync(join(path, "etc/daruma/host.json"), `{"agents":{"web":{"digest":"d-2"}}}\n`);
  const text = gates(path);
  if (text !== null) writeFileSync(join(root, "gates"), text);
  const check = (action: string, env: Record<string, string> = {}) => {
    const argv = [program, path, action, join(root, "gates")];
    const { status, stderr } = spawnSync("sh", argv, { encoding: "utf8", env: { ...process.env, ...env } });
    return { status, stderr };
  };
  return { root, check };
}

const quarantine = (path: string, digest = "d-9"): State["quarantine"] => [
  { path, number: 2, agent: "web", digest, incident: "inc-1", at: 0 },
];

t.test("a generation that was rolled back from is refused, and it is said how to allow it", async (t) => {
  const { check } = lab(t, (path) => gatesOf({ ...fresh, quarantine: quarantine(path) }));
  for (const action of ["switch", "boot", "test", "check"]) {
    const { status, stderr } = check(action);
    t.equal(status, 1, action);
    t.match(stderr, /is quarantined\.\n.*agentctl generations allow N/);
  }
  t.match(check("dry-activate"), { status: 0, stderr: /is quarantined/ });
});

t.test("a rollback of ours is never refused", async (t) => {
  const { check } = lab(t, (path) => gatesOf({ ...fresh, quarantine: quarantine(path) }));
  t.same(check("switch", { DARUMA_ROLLBACK: "rb-1" }), { status: 0, stderr: "" });
});

t.test("another generation passes, with a warning where it has the same agent", async (t) => {
  const other = lab(t, () => gatesOf({ ...fresh, quarantine: quarantine("/nix/store/other") }));
  t.same(other.check("switch"), { status: 0, stderr: "" });
  const same = lab(t, () => gatesOf({ ...fresh, quarantine: quarantine("/nix/store/other", "d-2") }));
  t.match(same.check("switch"), {
    status: 0,
    stderr:
      /^daruma: warning: agent web is here as it was in \/nix\/store\/other, which was rolled back from/,
  });
});

t.test(
  "what cannot be told lets pass: no gates, none that are whole, none of a version that is known",
  async (t) => {
    t.same(lab(t, () => null).check("switch"), { status: 0, stderr: "" });
    const whole = (path: string) => gatesOf({ ...fresh, quarantine: quarantine(path) });
    t.equal(lab(t, (path) => whole(path).replace(/end\n$/, "")).check("switch").status, 0);
    t.equal(lab(t, (path) => whole(path).replace("gates 1", "gates 2")).check("switch").status, 0);
    const gone = lab(t, whole);
    rmSync(join(gone.root, "system"), { recursive: true });
    t.equal(gone.check("switch").status, 1, "the path counts, not what is there");
  },
);
