import { connectLedger } from "@daruma/ledger";
import t from "tap";
import { documents, scratchDirectory } from "../test-support/agentctl.ts";
import { serveLedger } from "../test-support/ledger.ts";
import { startHere } from "../test-support/run-here.ts";
import { ledgerVerifyCommand } from "./ledger-commands.ts";
import { ledgerEraseCommand, ledgerPayloadCommand } from "./ledger-payload-commands.ts";

const table = [ledgerPayloadCommand, ledgerEraseCommand, ledgerVerifyCommand];

t.test("a person looks at a payload and erases it", async (t) => {
  const cwd = scratchDirectory(t);
  const ledger = await serveLedger(t, cwd);
  const connection = await connectLedger({ socket: ledger.socket });
  const draft = { action: "test.entry", subject: "x", details: {} };
  for (const name of ["Zoë", "Bob"]) await connection.append({ ...draft, payload: { name } });
  await connection.close();
  const place = { cwd, environment: { XDG_RUNTIME_DIR: cwd } };
  const run = (...argv: string[]) => startHere(table, ["ledger", ...argv], place).ended;

  t.match(await run("payload", "1"), { code: 0, stdout: '{"name":"Zoë"}\n' });
  const shown = documents((await run("payload", "2", "--json")).stdout);
  t.match(shown, [{ schemaVersion: 1, seq: 2, salt: /^[0-9a-f]{64}$/, payload: { name: "Bob" } }]);
  t.match(await run("payload", "3"), { code: 1, stderr: /LEDGER_E_NO_PAYLOAD/ });
  t.match(await run("erase", "1"), { code: 2, stderr: /CLI_E_USAGE/ });
  t.match(await run("erase", "1", "--reason", "r"), { code: 2, stdout: "", stderr: /CLI_E_CONFIRM/ });
  t.match(await run("payload", "1"), { code: 0 }, "it is still there");
  const erased = documents((await run("erase", "1", "--reason", "r", "--yes", "--json")).stdout);
  t.match(erased, [{ schemaVersion: 1, erased: [1], seq: 3 }]);
  t.match(await run("erase", "1", "--reason", "r", "--yes"), { code: 1, stderr: /LEDGER_E_NO_PAYLOAD/ });
  t.match(await run("payload", "1"), { code: 1, stderr: /LEDGER_E_NO_PAYLOAD/ });
  await ledger.stop();
  const verified = await run("verify", ledger.store);
  t.match(verified, {
    code: 0,
    stdout: /1 payload is what its entry commits to\nerased, as the ledger says: the payload of 1\n/,
  });
});
