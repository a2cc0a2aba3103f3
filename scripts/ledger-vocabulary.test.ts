import { faultsOfDetails, ledgerActions } from "@daruma/ledger";
import t from "tap";
import { nextWake, step } from "../packages/watchd/src/policy/policy.ts";
import { simulate } from "../packages/watchd/src/simulation/run.ts";

t.test(
  "whatever the policy records in a simulated fleet is in the ledger's vocabulary, and fits it",
  async (t) => {
    const seen = new Set<string>();
    const faults = new Set<string>();
    const core: typeof step = (state, event, now) => {
      const taken = step(state, event, now);
      for (const { action, details } of taken.records) {
        seen.add(action);
        for (const fault of faultsOfDetails(action, details) ?? ["unknown"])
          faults.add(`${action}: ${fault}`);
      }
      return taken;
    };
    // What a person asks for is written by watchd's socket, before the policy hears of it.
    const policy = Object.keys(ledgerActions).filter(
      (name) => /^(agent\.|recovery\.|dependency\.|alert\.raise)/.test(name) && !name.endsWith("-request"),
    );
    const unseen = () => policy.filter((name) => !seen.has(name));
    // Some of it is rare.
    for (let seed = 1; seed <= 200 || (unseen().length > 0 && seed <= 3_000); seed += 1)
      simulate(seed, { step: core, nextWake });
    t.same([...faults], []);
    t.same(unseen(), [], "nothing in it that is never written");
  },
);
