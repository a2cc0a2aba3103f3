import { join } from "node:path";
import { connectLedger, signLedger } from "@daruma/ledger";
import t from "tap";
import { documents, scratchDirectory } from "../test-support/agentctl.ts";
import { serveLedger } from "../test-support/ledger.ts";
import { startHere } from "../test-support/run-here.ts";
import { ledgerExportCommand, ledgerKeyCommand, ledgerVerifyCommand } from "./ledger-commands.ts";
import { ledgerPruneCommand } from "./ledger-prune-command.ts";

const table = [ledgerPruneCommand, ledgerExportCommand, ledgerVerifyCommand, ledgerKeyCommand];
const entries = 1600;

t.test("a person prunes what is old, and what is left verifies", async (t) => {
  const cwd = scratchDirectory(t);
  const ledger = await serveLedger(t, cwd);
  const connection = await connectLedger({ socket: ledger.socket });
  const draft = { action: "test.entry", subject: "x", details: {} };
  await Promise.all(Array.from({ length: entries }, () => connection.append(draft)));
  await connection.close();
  const place = { cwd, environment: { XDG_RUNTIME_DIR: cwd } };
  const run = (...argv: string[]) => startHere(table, ["ledger", ...argv], place).ended;
  const prune = (...argv: string[]) => run("prune", "--before", "2100-01-01", ...argv);

  for (const argv of [["--before", "then", "--dry-run"], ["--dry-run"], ["--before", "2100-01-01"]]) {
    t.match(await run("prune", ...argv), { code: 2, stdout: "", stderr: /CLI_E_USAGE/ });
  }
  const dry = await prune("--dry-run", "--json");
  const expected = {
    schemaVersion: 1,
    earlier: entries,
    from: 1,
    through: 256,
    signed: 0,
    entries: 256,
    seq: null,
  };
  t.match(documents(dry.stdout), [expected]);
  t.match(await run("prune", "--before", "2000-01-01", "--reason", "old"), {
    code: 0,
    stdout: /^nothing to prune/,
  });
  t.match(await prune("--reason", "old", "--yes"), { code: 1, stdout: "", stderr: /LEDGER_E_NOT_SIGNED/ });
  await signLedger({ socket: ledger.socket });
  t.match(await prune("--reason", "old"), { code: 2, stdout: "", stderr: /CLI_E_CONFIRM/ });

  const done = documents((await prune("--reason", "old", "--yes", "--json")).stdout);
  t.match(done, [{ from: 1, through: 256, entries: 256, seq: entries + 1 }]);
  t.match(await prune("--reason", "old", "--yes"), { code: 0, stdout: /^nothing to prune/ });
  t.match(await run("key", "--out", "key"), { code: 0 });
  t.match(await run("export", "--out", "rest"), {
    code: 0,
    stdout: /^wrote 1345 of 1601 entries to/,
  });
  t.match(await run("verify", "rest", "--key", "key"), {
    code: 0,
    stdout: /^verified: 1345 entries of h, 257 to 1601\n[\s\S]*signed by daruma\/h up to entry 1601 of 1601/,
  });
  const refused = await run("export", "--out", "range", "--until", "2100-01-01");
  t.match(refused, { code: 1, stderr: /LEDGER_E_PRUNED[\s\S]*--since that is later than/ });
  await ledger.stop();
  t.match(await run("verify", join(cwd, ".daruma/ledger"), "--key", "key"), {
    code: 0,
    stdout: /entries 1 to 256 were pruned, as the ledger says/,
  });
});
