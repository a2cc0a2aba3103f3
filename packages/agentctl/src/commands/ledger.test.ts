import { mkdir, readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import t, { type Test } from "tap";
import {
  documents,
  eventually,
  runAgentctl,
  scratchDirectory,
  startAgentctl,
} from "../test-support/agentctl.ts";
import { serveLedger } from "../test-support/ledger.ts";
import { startHere } from "../test-support/run-here.ts";
import { writeExport } from "./export-file.ts";
import { commandTable } from "./table.ts";

async function setUp(t: Test, entries: number) {
  const cwd = scratchDirectory(t);
  const ledger = await serveLedger(t, cwd);
  await ledger.append(entries);
  const options = { cwd, environment: { XDG_RUNTIME_DIR: cwd } };
  return { cwd, ledger, options, run: (...argv: string[]) => startHere(commandTable, argv, options).ended };
}

t.test("tail shows the newest entries, as lines or as the stored bytes", async (t) => {
  const { run } = await setUp(t, 30);
  const lines = (await run("ledger", "tail", "-n", "2")).stdout.trimEnd().split("\n");
  t.match(lines, [/test\.entry \{"n":29\}$/, /test\.entry \{"n":30\}$/]);
  t.equal((await run("ledger", "tail")).stdout.trimEnd().split("\n").length, 20);
  t.equal((await run("ledger", "tail", "-n", "0")).stdout, "");
  const printed = documents((await run("ledger", "tail", "-n", "99", "--json")).stdout);
  t.equal(printed.length, 30);
  t.match(printed.at(-1), { v: 1, seq: 30, details: { n: 30 } });
});

t.test("an empty ledger is no error", async (t) => {
  const { run } = await setUp(t, 0);
  t.match(await run("ledger", "tail", "--json"), { code: 0, stdout: "" });
  t.match(await run("ledger", "export"), { code: 0, stdout: "" });
});

t.test(
  "tail --follow goes on through a restart of ledgerd without gap or repeat, until Ctrl-C",
  async (t) => {
    const { ledger, options } = await setUp(t, 3);
    const tail = startAgentctl(t, ["ledger", "tail", "-n", "1", "--follow", "--json"], options);
    const seen = () => documents(tail.stdout()).map((entry) => entry.seq);
    await eventually("the tail has begun", () => (seen().length === 1 ? true : null));
    await ledger.append(2);
    await ledger.stop();
    await ledger.start();
    await ledger.append(2);
    await eventually("all entries are there", () => (seen().length === 5 ? true : null));
    tail.child.kill("SIGINT");
    const { code, stdout } = await tail.ended;
    t.equal(code, 130);
    t.same(
      documents(stdout).map((entry) => entry.seq ?? entry.error),
      [...[3, 4, 5, 6, 7], documents(stdout).at(-1)?.error],
    );
    t.match(documents(stdout).at(-1), { error: { code: "CLI_E_INTERRUPTED" } });
  },
);

t.test("a reader that has seen enough ends tail quietly", async (t) => {
  const { ledger, options } = await setUp(t, 3);
  const tail = startAgentctl(t, ["ledger", "tail", "--follow"], options);
  await eventually("the tail has begun", () => (tail.stdout() === "" ? null : true));
  tail.child.stdout?.destroy();
  await ledger.append(3);
  const { code, stderr } = await tail.ended;
  t.equal(code, 0);
  t.equal(stderr, "");
});

t.test(
  "an export is the stored bytes, the same with and without --json and --out, and verifies",
  async (t) => {
    const { cwd, run } = await setUp(t, 25);
    const plain = await run("ledger", "export");
    const json = await run("ledger", "export", "--json");
    const file = await run("ledger", "export", "--out", "ledger.jsonl", "--json");
    t.equal(plain.stdout, json.stdout);
    t.equal(await readFile(join(cwd, "ledger.jsonl"), "utf8"), plain.stdout);
    t.match(documents(file.stdout), [{ schemaVersion: 1, entries: 25, headHash: /^[0-9a-f]{64}$/ }]);
    t.match(await run("ledger", "verify", "ledger.jsonl"), {
      code: 0,
      stdout: /^verified: 25 entries of h, 1 to 25\n/,
    });
    const verified = documents((await run("ledger", "verify", "ledger.jsonl", "--json")).stdout);
    t.match(verified, [{ schemaVersion: 1, ok: true, complete: true, entries: 25, firstBad: null }]);
  },
);

t.test("a changed byte is found, its entry named, and the exit code is 6", async (t) => {
  const { cwd, options, run } = await setUp(t, 10);
  const text = (await run("ledger", "export")).stdout;
  await writeFile(join(cwd, "bad.jsonl"), text.replace('"n":7', '"n":8'));
  const human = await runAgentctl(t, ["ledger", "verify", "bad.jsonl"], options);
  t.match(human, { code: 6, stdout: "", stderr: /LEDGER_E_UNVERIFIED: entry 7 \(line 7\) is bad/ });
  const json = await run("ledger", "verify", "bad.jsonl", "--json");
  t.equal(json.code, 6);
  t.match(documents(json.stdout), [
    {
      schemaVersion: 1,
      ok: false,
      firstBad: { seq: 7, line: 7, reason: "wrong-hash" },
      error: { code: "LEDGER_E_UNVERIFIED" },
    },
  ]);
});

t.test("a ledger directory is verified once ledgerd has stopped, and refused while it runs", async (t) => {
  const { ledger, run } = await setUp(t, 5);
  t.match(await run("ledger", "verify", ledger.store), { code: 1, stderr: /LEDGER_E_LOCKED/ });
  await ledger.stop();
  t.match(await run("ledger", "verify", ledger.store), { code: 0, stdout: /verified: 5 entries/ });
});

t.test("an export that fails leaves the file as it was", async (t) => {
  const cwd = scratchDirectory(t);
  await writeFile(join(cwd, "out"), "old");
  async function* blocks() {
    yield "new\n";
    throw new Error("torn off");
  }
  await t.rejects(writeExport(cwd, "out", blocks()), { message: "torn off" });
  t.equal(await readFile(join(cwd, "out"), "utf8"), "old");
  t.same(await readdir(cwd), ["out"]);
});

t.test("an export goes through a link, and replaces nothing but a file", async (t) => {
  const cwd = scratchDirectory(t);
  async function* blocks() {
    yield "new\n";
  }
  await writeFile(join(cwd, "real"), "old");
  await symlink("real", join(cwd, "link"));
  await writeExport(cwd, "link", blocks());
  t.equal(await readFile(join(cwd, "real"), "utf8"), "new\n");
  await mkdir(join(cwd, "directory"));
  for (const out of ["directory", "/dev/null", "missing/out"]) {
    await t.rejects(writeExport(cwd, out, blocks()), { code: "CLI_E_OUTPUT" }, out);
  }
});

t.test("the ledger's public key is one line, for a terminal, a program or a file", async (t) => {
  const { cwd, run } = await setUp(t, 0);
  const { stdout } = await run("ledger", "key");
  t.match(stdout, /^daruma\/h\+[0-9a-f]{8}\+[A-Za-z0-9+/]{43}[A-Za-z0-9+/=]\n$/);
  const [document] = documents((await run("ledger", "key", "--json")).stdout);
  t.match(document, { schemaVersion: 1, origin: "daruma/h", key: stdout.trimEnd() });
  t.match(await run("ledger", "key", "--out", "h.vkey"), { code: 0 });
  t.equal(await readFile(join(cwd, "h.vkey"), "utf8"), stdout);
});

t.test("an export of a range or a selection verifies, and says what it is", async (t) => {
  const { run } = await setUp(t, 12);
  const stored = documents((await run("ledger", "tail", "-n", "12", "--json")).stdout);
  const since = String(stored[0]?.time);
  await run("ledger", "key", "--out", "key");
  const wrote = await run("ledger", "export", "--since", since, "--out", "range", "--json");
  t.match(documents(wrote.stdout), [{ entries: 12, treeSize: 12 }]);
  t.match(await run("ledger", "verify", "range", "--key", "key"), {
    code: 0,
    stdout: /trust: signed by daruma\/h up to entry 12 of 12; no witness has seen it\n/,
  });
  await run("ledger", "export", "--actor", "nobody", "--out", "selection");
  const [verdict] = documents((await run("ledger", "verify", "selection", "--json")).stdout);
  t.match(verdict, {
    ok: true,
    entries: 0,
    treeSize: 12,
    trustLevel: "chain",
    selection: { actor: "nobody" },
  });
  t.match(await run("ledger", "export", "--since", "yesterday"), {
    code: 2,
    stderr: /--since must be a time/,
  });
});

t.test("an earlier export is a witness: what it has seen must still be there", async (t) => {
  const { cwd, ledger, run } = await setUp(t, 6);
  await run("ledger", "key", "--out", "key");
  await run("ledger", "export", "--out", "earlier");
  await ledger.append(4);
  await run("ledger", "export", "--out", "later");
  const good = await run("ledger", "verify", "later", "--key", "key", "--witness", "earlier", "--json");
  // The export of today has no checkpoint at the size of then, but all the entries.
  t.match(documents(good.stdout), [{ ok: true, trustLevel: "witnessed", witnessed: 6, unwitnessed: 4 }]);
  const cut = await run("ledger", "verify", "earlier", "--witness", "later", "--json");
  t.match(documents(cut.stdout), [{ ok: false, firstBad: { seq: 7, reason: "cut" } }]);
  t.equal(cut.code, 6);
  t.match(await run("ledger", "verify", "later", "--key", "earlier"), { code: 1, stderr: /LEDGER_E_KEY/ });
  await writeFile(join(cwd, "nonsense"), "nonsense\n");
  t.match(await run("ledger", "verify", "later", "--witness", "nonsense"), {
    code: 1,
    stderr: /LEDGER_E_WITNESS_FILE: .*line 1/,
  });
});
