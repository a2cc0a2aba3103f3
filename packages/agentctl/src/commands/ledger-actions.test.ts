import { ledgerActions } from "@daruma/ledger";
import t from "tap";
import { knownActions } from "../story/tellers.ts";

t.test("every action that agentctl can tell is in the ledger's vocabulary", async (t) => {
  t.same(
    knownActions.filter((action) => !Object.hasOwn(ledgerActions, action)),
    [],
  );
});
