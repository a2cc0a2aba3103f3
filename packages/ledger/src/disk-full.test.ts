import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { isDarumaError } from "@daruma/base";
import t from "tap";
import { type Appended, connectLedger, ledgerStatus } from "./client.ts";
import { readEntries } from "./reader.ts";
import { draft, errorOf, eventually, startProgram, temporaryDirectory } from "./test-support.ts";
import { verifyDirectory } from "./verify-directory.ts";

const run = promisify(execFile);

/** Limits the size of every file that a process writes (setrlimit(2), RLIMIT_FSIZE): a full disk, without being root. */
async function limitFiles(pid: number | undefined, bytes: number | "unlimited"): Promise<void> {
  await run("prlimit", ["--pid", String(pid), `--fsize=${bytes}:`]);
}

/** Text that does not compress, or LevelDB's tables would fit under any limit. */
function noise(bytes: number): string {
  return Array.from({ length: bytes }, () => Math.floor(Math.random() * 36).toString(36)).join("");
}

t.test(
  "on a full disk an append fails, nothing of it is kept, and appends go on when there is room",
  async (t) => {
    const directory = await temporaryDirectory(t);
    const program = await startProgram(t, directory);
    const { socket } = program;
    const connection = await connectLedger({ socket });
    await connection.append({ ...draft, details: { n: 1 } });
    await limitFiles(program.process.pid, 0);
    for (let attempt = 0; attempt < 5; attempt++) {
      const error = await errorOf(connection.append({ ...draft, details: { lost: attempt } }));
      t.equal(error.code, "LEDGER_E_WRITE_FAILED");
      t.match(await ledgerStatus({ socket }), { entries: 1, writable: false }, "the head has not moved");
    }
    await limitFiles(program.process.pid, "unlimited");
    t.match(await connection.append({ ...draft, details: { n: 2 } }), { duplicate: false });
    t.match(await ledgerStatus({ socket }), { writable: true });
    const details: unknown[] = [];
    for await (const { entry } of readEntries({ socket })) details.push(entry.details);
    // The first of the failed ones was handed to LevelDB, and may turn out to have been written; the others were not.
    const known = details.filter((one) => JSON.stringify(one) !== '{"lost":0}');
    t.same(known, [{ n: 1 }, { n: 2 }]);
    await connection.close();
    program.process.kill("SIGTERM");
    t.equal(await program.exited, 0);
    t.equal(program.stderr().split("LEDGER_E_WRITE_FAILED").length, 2, "the trouble is told once");
    t.match(program.stderr(), /writing works again/);
    t.match(await verifyDirectory(program.store), { ok: true, entries: details.length });
  },
);

t.test("whenever LevelDB's log reaches the limit, every append is either there or was refused", async (t) => {
  const directory = await temporaryDirectory(t);
  const program = await startProgram(t, directory);
  const { socket } = program;
  const connection = await connectLedger({ socket });
  const acknowledged = new Map<number, Appended>();
  let failures = 0;
  let n = 1;
  await limitFiles(program.process.pid, 300_000);
  while (n <= 60) {
    // Four in flight; what fails is sent again, in order, as an outbox does.
    const window = Array.from({ length: 4 }, (_, index) => n + index);
    const results = await Promise.all(
      window.map((one) =>
        connection
          .append({ ...draft, details: { n: one, text: noise(9000) }, key: { epoch: "e1", n: one } })
          .catch((error: unknown) => error),
      ),
    );
    for (const [index, result] of results.entries()) {
      if (isDarumaError(result)) {
        t.ok(["LEDGER_E_WRITE_FAILED", "LEDGER_E_OUT_OF_ORDER"].includes(result.code), result.code);
        failures += 1;
      } else acknowledged.set(window[index] ?? 0, result as Appended);
    }
    while (acknowledged.has(n)) n += 1;
    // Tables may be written under the limit or not: where they may not, there must be room before it goes on.
    if (failures > 20) await limitFiles(program.process.pid, "unlimited");
  }
  await limitFiles(program.process.pid, "unlimited");
  const seen: number[] = [];
  for await (const { entry } of readEntries({ socket })) seen.push(Number(entry.details.n));
  t.same(
    seen,
    seen.map((_, index) => index + 1),
    "in order, none missing, none twice",
  );
  t.ok(seen.length >= acknowledged.size);
  t.ok(program.stderr().includes("LEDGER_E_WRITE_FAILED") || failures === 0);
  await connection.close();
  program.process.kill("SIGKILL");
  await program.exited;
  const again = await eventually("ledgerd is back", () => startProgram(t, directory));
  t.match(await ledgerStatus({ socket: again.socket }), { entries: seen.length });
  again.process.kill("SIGTERM");
  await again.exited;
  t.match(await verifyDirectory(join(directory, "store")), { ok: true, entries: seen.length });
});
