import t from "tap";
import { faultsOfDetails } from "./action-faults.ts";
import { actions } from "./actions.ts";
import { isLabel, prepareEntry, sealEntry, zeroHash } from "./entry.ts";
import { parseAppend } from "./request.ts";
import { ChainVerifier } from "./verify.ts";

t.test("details that fit their action have no fault, and may hold more", async (t) => {
  const details = {
    cause: "crash",
    exit: { kind: "signal", signal: "SIGKILL" },
    uptimeMs: 5,
    phase: "healthy",
  };
  t.same(faultsOfDetails("agent.exit", details), []);
  t.same(
    faultsOfDetails("agent.exit", { ...details, more: [1], at: "now", severity: "warning", late: true }),
    [],
  );
  t.same(faultsOfDetails("agent.start", { digest: "d", generation: null }), []);
  t.same(faultsOfDetails("agent.exit", { withheld: "LEDGER_E_TOO_LARGE" }), []);
});

t.test("what is missing or of another type is named", async (t) => {
  t.same(faultsOfDetails("agent.hold", {}), ["noRollback is missing"]);
  t.same(faultsOfDetails("agent.hold", { noRollback: "x" }), ["noRollback is not a list of texts"]);
  t.same(faultsOfDetails("agent.start", { digest: 5, generation: "x", late: "x" }), [
    "late is not a boolean",
    "digest is not a text",
    "generation is not a number",
  ]);
  t.same(faultsOfDetails("ledger.accept-loss", { lost: [] })?.includes("lost is not an object"), true);
});

t.test(
  "an action of a newer release is taken and verifies, and nothing is said of its details",
  async (t) => {
    const details = { anything: [{ at: "all" }] };
    for (const action of ["agent.levitate", "constructor", "__proto__"]) {
      t.equal(faultsOfDetails(action, details), null, action);
      const line = JSON.stringify({ id: 1, action, subject: "agent/a", details });
      t.equal(parseAppend(Buffer.from(line), "watchd", "h").error, null, action);
      const prepared = prepareEntry({ action, subject: "agent/a", details }, "h", "watchd");
      const { line: stored } = sealEntry(prepared, zeroHash, 1, "2026-11-23T10:00:00.000Z");
      t.equal(new ChainVerifier().push(Buffer.from(stored)), null, action);
    }
  },
);

t.test("names follow one form", async (t) => {
  for (const [name, action] of Object.entries(actions)) {
    t.match(name, /^[a-z]+\.[a-z]+(-[a-z]+)*$/);
    t.ok(isLabel(name));
    t.match(action.means, /\.$/);
  }
});
