import { writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { connectLedger } from "@daruma/ledger";
import t, { type Test } from "tap";
import { documents, eventually, scratchDirectory } from "../test-support/agentctl.ts";
import { serveLedger } from "../test-support/ledger.ts";
import { startHere } from "../test-support/run-here.ts";
import { ledgerQueryCommand, ledgerReindexCommand } from "./ledger-query-commands.ts";

const table = [ledgerQueryCommand, ledgerReindexCommand];

/** Entries by turns of two actions, two subjects and two runs. */
async function setUp(t: Test, entries: number) {
  const cwd = scratchDirectory(t);
  const ledger = await serveLedger(t, cwd);
  const connection = await connectLedger({ socket: join(dirname(ledger.socket), "watchd.sock") });
  let n = 0;
  const append = async (count: number) => {
    const appends = Array.from({ length: count }, () => {
      n += 1;
      const action = n % 2 === 0 ? "agent.start" : "generation.switch";
      return connection.append({ action, subject: `s-${n % 3}`, run: `r-${n % 5}`, details: { n } });
    });
    await Promise.all(appends);
  };
  await append(entries);
  const place = { cwd, environment: { XDG_RUNTIME_DIR: cwd } };
  const start = (...argv: string[]) => startHere(table, ["ledger", ...argv], place);
  return {
    ledger,
    append,
    disconnect: () => connection.close(),
    start,
    run: (...argv: string[]) => start(...argv).ended,
  };
}

const seqs = (stdout: string) => documents(stdout).map(({ seq }) => seq);

t.test("entries are found by what they say, as lines or as the stored bytes", async (t) => {
  const { run, disconnect } = await setUp(t, 30);
  t.same(
    seqs((await run("query", "--subject", "s-0", "--json")).stdout),
    [3, 6, 9, 12, 15, 18, 21, 24, 27, 30],
  );
  t.same(seqs((await run("query", "--subject", "s-0", "--limit", "2", "--json")).stdout), [27, 30]);
  const several = ["--action", "agent.*", "--subject", "s-0", "--run", "r-2", "--actor", "watchd"];
  t.same(seqs((await run("query", ...several, "--json")).stdout), [12]);
  t.same(seqs((await run("query", "--since", "2020-01-01", "--limit", "1", "--json")).stdout), [30]);
  t.equal((await run("query", "--until", "2020-01-01T00:00Z")).stdout, "");
  t.equal((await run("query", "--incident", "i-1")).stdout, "");
  t.equal(seqs((await run("query", "--json")).stdout).length, 30);
  const lines = (await run("query", "--run", "r-4", "--action", "agent.start")).stdout.trimEnd().split("\n");
  t.equal(lines.length, 3);
  t.match(lines[0], /^\d{4}-\d\d-\d\d .* s-1 +starting$/);
  await disconnect();
});

t.test("a question that makes no sense is refused before it is asked", async (t) => {
  const { run, disconnect } = await setUp(t, 0);
  for (const [option, value] of [
    ["--since", "yesterday"],
    ["--actor", ""],
    ["--action", "a\nb"],
    ["--limit", "-1"],
  ] as const) {
    t.match(await run("query", option, value), { code: 2, stdout: "", stderr: /CLI_E_USAGE/ }, option);
  }
  await disconnect();
});

t.test(
  "--follow goes on with what matches, without gap or repeat, through a restart of ledgerd",
  async (t) => {
    const { ledger, append, start } = await setUp(t, 4);
    const query = start("query", "--action", "test.entry", "--follow", "--json");
    await ledger.append(2);
    await eventually("the new ones are there", () => (seqs(query.stdout()).length === 2 ? true : null));
    await ledger.stop();
    await ledger.start();
    await ledger.append(1);
    await eventually("the newest is there", () => (seqs(query.stdout()).length === 3 ? true : null));
    query.interrupt();
    const { code } = await query.ended;
    t.equal(code, 130);
    t.same(seqs(query.stdout()).slice(0, 3), [5, 6, 7]);
    await t.rejects(append(1), "the connection from before the restart is gone");
  },
);

t.test("indexes are compared and made anew, with and without ledgerd", async (t) => {
  const { ledger, run, disconnect } = await setUp(t, 20);
  t.match(await run("reindex", "--check"), { code: 0, stdout: /^the index of 20 entries is what/ });
  t.match(documents((await run("reindex", "--json")).stdout), [{ schemaVersion: 1, entries: 20 }]);
  t.match(await run("reindex", ledger.store), { code: 1, stderr: /LEDGER_E_LOCKED/ });
  await disconnect();
  await ledger.stop();
  t.match(await run("reindex"), { code: 5, stderr: /SOCKET_E_UNREACHABLE/ });
  t.match(await run("reindex", ledger.store), { code: 0, stdout: "indexed 20 entries\n" });
  const checked = documents((await run("reindex", ledger.store, "--check", "--json")).stdout);
  t.match(checked, [{ schemaVersion: 1, entries: 20, differences: 0 }]);
  await writeFile(join(ledger.store, "..", "file"), "");
  t.match(await run("reindex", join(ledger.store, "..", "file")), { code: 1 });
});
