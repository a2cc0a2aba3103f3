import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { exitCode } from "@daruma/base";
import t, { type Test } from "tap";
import { connectLedger, ledgerStatus } from "./client.ts";
import { parseOptions } from "./options.ts";
import {
  draft,
  errorOf,
  eventually,
  spawnLedgerd,
  startProgram,
  temporaryDirectory,
} from "./test-support.ts";

const flags = (directory: string, writers = "watchd") => [
  ...["--store", join(directory, "store"), "--sockets", directory],
  ...["--host", "etl-01", "--writers", writers],
];

/** Starts it where it cannot start, and gives the exit code and the code of the one diagnostic. */
async function failing(
  t: Test,
  given: readonly string[],
): Promise<{ exit: number | string; code: string; message: string }> {
  const program = spawnLedgerd(given);
  t.teardown(() => program.process.kill("SIGKILL"));
  let stdout = "";
  program.process.stdout?.on("data", (chunk: Buffer) => {
    stdout += chunk.toString("utf8");
  });
  const exit = await program.exited;
  const { error } = JSON.parse(program.stderr());
  t.match(error, { message: /./, hint: /./ });
  t.equal(stdout, "", "nothing but readiness goes to stdout");
  return { exit, code: error.code, message: error.message };
}

t.test("when it serves, it says so in one line of JSON", async (t) => {
  const directory = await temporaryDirectory(t);
  const program = await startProgram(t, directory);
  t.match(program.ready, {
    ready: true,
    schemaVersion: 1,
    pid: program.process.pid,
    host: "etl-01",
    head: { seq: 0 },
    sockets: { watchd: join(directory, "watchd.sock"), operator: join(directory, "operator.sock") },
  });
  t.match(await ledgerStatus({ socket: program.socket }), { pid: program.process.pid, entries: 0 });
});

t.test("SIGTERM and SIGINT stop it cleanly, with connections open", async (t) => {
  const directory = await temporaryDirectory(t);
  for (const [index, signal] of (["SIGTERM", "SIGINT"] as const).entries()) {
    const program = await startProgram(t, directory);
    const connection = await connectLedger({ socket: program.socket });
    await connection.append(draft);
    program.process.kill(signal);
    t.equal(await program.exited, 0, signal);
    await connection.closed;
    t.equal((await errorOf(ledgerStatus({ socket: program.socket }))).code, "SOCKET_E_UNREACHABLE");
    t.equal(program.stderr(), "");
    t.match((await startAndStop(t, directory)).head, { seq: index + 1 });
  }
});

async function startAndStop(t: Test, directory: string): Promise<Record<string, unknown>> {
  const program = await startProgram(t, directory);
  program.process.kill("SIGTERM");
  await program.exited;
  return program.ready;
}

t.test("a signal at any moment of its start leaves a ledger that opens", async (t) => {
  const directory = await temporaryDirectory(t);
  for (const delayMs of [0, 30, 60, 80, 100, 120, 150, 200]) {
    const program = spawnLedgerd(flags(directory));
    await new Promise((resolve) => setTimeout(resolve, delayMs));
    program.process.kill(delayMs % 20 === 0 ? "SIGTERM" : "SIGKILL");
    await program.exited;
  }
  t.match((await startAndStop(t, directory)).head, { seq: 0 });
});

t.test("with --exit-with-parent it stops when its stdin ends", async (t) => {
  const directory = await temporaryDirectory(t);
  const program = await startProgram(t, directory, ["--exit-with-parent"]);
  await ledgerStatus({ socket: program.socket });
  program.process.stdin?.end();
  t.equal(await program.exited, 0);
});

t.test(
  "with --exit-with-parent a signal stops it as well, and without it the end of stdin does not",
  async (t) => {
    const directory = await temporaryDirectory(t);
    const first = await startProgram(t, directory, ["--exit-with-parent"]);
    first.process.kill("SIGTERM");
    t.equal(await first.exited, 0);
    const second = await startProgram(t, directory);
    second.process.stdin?.end();
    second.process.stdout?.destroy();
    const connection = await connectLedger({ socket: second.socket });
    for (let turn = 0; turn < 20; turn++) t.match(await connection.append(draft), { seq: turn + 1 });
    await connection.close();
  },
);

t.test("a second ledgerd on the same ledger is refused, and the first goes on", async (t) => {
  const directory = await temporaryDirectory(t);
  const first = await startProgram(t, directory);
  const other = join(directory, "other");
  await mkdir(other);
  const same = ["--store", first.store, "--sockets", other, "--host", "etl-01", "--writers", "watchd"];
  t.match(await failing(t, same), { exit: exitCode.error, code: "LEDGER_E_LOCKED" });
  const connection = await connectLedger({ socket: first.socket });
  t.match(await connection.append(draft), { seq: 1 });
  await connection.close();
});

t.test("every circumstance that keeps it from starting has its code and exit code", async (t) => {
  const directory = await temporaryDirectory(t);
  await startAndStop(t, directory);
  await writeFile(join(directory, "file"), "");
  const replace = (name: string, value: string) =>
    flags(directory).with(flags(directory).indexOf(name) + 1, value);
  t.match(await failing(t, []), { exit: exitCode.usage, code: "LEDGER_E_USAGE" });
  t.match(await failing(t, replace("--store", join(directory, "file"))), {
    exit: 1,
    code: "LEDGER_E_READ_ONLY",
  });
  t.match(await failing(t, replace("--host", "etl-02")), { exit: 1, code: "LEDGER_E_OTHER_HOST" });
  t.match(await failing(t, replace("--sockets", join(directory, "file"))), {
    exit: 1,
    code: "SOCKET_E_UNUSABLE",
  });
  t.match(await failing(t, replace("--sockets", join(directory, "x".repeat(100)))), {
    exit: 1,
    code: "SOCKET_E_PATH_TOO_LONG",
  });
  const taken = createServer().listen(join(directory, "watchd.sock"));
  await once(taken, "listening");
  t.match(await failing(t, flags(directory)), { exit: 1, code: "SOCKET_E_IN_USE" });
  taken.close();
  await writeFile(join(directory, "store/head"), "nonsense");
  t.match(await failing(t, flags(directory)), { exit: exitCode.verification, code: "LEDGER_E_DAMAGED" });
});

t.test("the sockets of a ledgerd that was killed are served again", async (t) => {
  const directory = await temporaryDirectory(t);
  const first = await startProgram(t, directory);
  first.process.kill("SIGKILL");
  await first.exited;
  t.equal((await errorOf(connectLedger({ socket: first.socket }))).code, "SOCKET_E_UNREACHABLE");
  const second = await startProgram(t, directory);
  t.match(await ledgerStatus({ socket: second.socket }), { pid: second.process.pid });
});

t.test("a client is told when ledgerd is killed under it", async (t) => {
  const program = await startProgram(t, await temporaryDirectory(t));
  const connection = await connectLedger({ socket: program.socket });
  await connection.append(draft);
  program.process.kill("SIGSTOP");
  const pending = errorOf(connection.append(draft));
  program.process.kill("SIGKILL");
  t.equal((await pending).code, "LEDGER_E_DISCONNECTED");
  await eventually("the connection knows", () => connection.closed.then(() => true));
});

t.test("arguments are checked", async (t) => {
  const good = [
    "--store",
    "s",
    "--sockets",
    "d",
    "--host",
    "h",
    "--writers",
    "watchd,operator",
    "--exit-with-parent",
  ];
  t.same(parseOptions(good), {
    store: "s",
    sockets: "d",
    host: "h",
    writers: ["watchd", "operator"],
    writerDirectories: {},
    acceptLoss: false,
    pace: { everyEntries: 5000, everyMs: 60_000 },
    witnesses: [],
    exitWithParent: true,
  });
  const paced = parseOptions([...good, "--checkpoint-entries", "10", "--checkpoint-seconds", "2"]);
  t.same(paced.pace, { everyEntries: 10, everyMs: 2000 });
  const apart = parseOptions([...good, "--writer-directory", "watchd=/run/apart"]);
  t.same(apart.writerDirectories, { watchd: "/run/apart" });
  const without = (name: string) => good.toSpliced(good.indexOf(name), 2);
  const wrong: readonly (readonly string[])[] = [
    ...["--store", "--sockets", "--host", "--writers"].map(without),
    [...good, "positional"],
    [...good, "--unknown"],
    [...good, "--exit-with-parent=yes"],
    good.with(1, ""),
    good.with(5, "a\nb"),
    good.with(7, ""),
    good.with(7, "watchd,"),
    good.with(7, "../watchd"),
    good.with(7, "watchd,ledgerd"),
    good.with(7, "Watchd"),
    good.with(7, "watchd,watchd"),
    good.with(7, "x".repeat(29)),
    [...good, "--checkpoint-entries", "0"],
    [...good, "--writer-directory", "nobody=/run/apart"],
    [...good, "--writer-directory", "watchd=apart"],
    [...good, "--checkpoint-seconds", "1.5"],
  ];
  for (const args of wrong) t.throws(() => parseOptions(args), { code: "LEDGER_E_USAGE" }, args.join(" "));
});
