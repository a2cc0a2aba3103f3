import { once } from "node:events";
import { appendFileSync, mkdirSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { connectLedger } from "@daruma/ledger";
import t, { type Test } from "tap";
import { documents, eventually, scratchDirectory } from "../test-support/agentctl.ts";
import { serveLedger } from "../test-support/ledger.ts";
import { startHere } from "../test-support/run-here.ts";
import { logsCommand, logsExportCommand } from "./logs-commands.ts";

async function setUp(t: Test) {
  const cwd = scratchDirectory(t);
  const ledger = await serveLedger(t, cwd);
  const home = join(cwd, ".daruma", "agents", "web");
  mkdirSync(home, { recursive: true });
  writeFileSync(join(home, "log"), "one\ntwo\nboom\nthree\n");
  const now = Date.now();
  const runs = [
    { run: "run-1", at: now - 600_000, from: 0, origin: 0 },
    { run: "run-2", at: now - 300_000, from: 8, origin: 0 },
    { run: "run-3", at: now, from: 13, origin: 0 },
  ];
  writeFileSync(join(home, "log.runs"), runs.map((run) => `${JSON.stringify(run)}\n`).join(""));
  const connection = await connectLedger({ socket: ledger.socket });
  const start = (run: string, labels: object = {}) =>
    connection.append({ action: "agent.start", subject: "web", run, details: { generation: 1 }, ...labels });
  await start("run-1");
  await start("run-2");
  await connection.append({
    action: "agent.exit",
    subject: "web",
    run: "run-2",
    incident: "inc-1",
    details: {},
  });
  await start("run-3", { incident: "inc-1" });
  await connection.append({
    action: "recovery.verified",
    subject: "web",
    run: "run-3",
    incident: "inc-1",
    details: {},
  });
  await connection.close();
  const place = { cwd, environment: { XDG_RUNTIME_DIR: cwd } };
  const run = (...argv: string[]) => startHere([logsCommand, logsExportCommand], ["logs", ...argv], place);
  return { home, ledger, run };
}

t.test("what an agent wrote is shown with its runs and incidents, and followed", async (t) => {
  const { home, ledger, run } = await setUp(t);
  t.match(await run("web").ended, { code: 0, stdout: "one\ntwo\nboom\nthree\n" });
  t.match(await run("web", "-n", "1").ended, { stdout: "three\n" });
  t.match(documents((await run("web", "--json").ended).stdout), [
    { agent: "web", message: "one", run: "run-1", incident: null, generation: 1, time: null },
    { message: "two", run: "run-1" },
    { message: "boom", run: "run-2", incident: null },
    { message: "three", run: "run-3", incident: "inc-1" },
  ]);
  t.match(await run("web", "--incident", "inc-1").ended, { code: 0, stdout: "boom\nthree\n" });
  t.match(await run("web", "--incident", "inc-9").ended, {
    code: 2,
    stderr: /no incident inc-9 of the agent web/,
  });
  t.match(await run("web", "--incident", "inc-1", "--follow").ended, { code: 2 });
  const lately = await run("web", "--since", "36500d").ended;
  t.match(lately, { code: 0, stdout: /^one\n/ }, "how long ago");
  t.match(await run("web", "--since", "yesterday").ended, { code: 2, stderr: /must be a time such as/ });
  t.match(await run("../web").ended, { stderr: /LOGS_E_UNKNOWN_AGENT/ });

  const following = run("web", "--follow", "-n", "0");
  await eventually("it listens", () => {
    appendFileSync(join(home, "log"), "tick\n");
    return following.stdout() === "" ? null : true;
  });
  following.interrupt();
  t.match(await following.ended, { stdout: /^(tick\n)+$/ });

  await ledger.stop();
  const alone = await run("web", "--json", "-n", "1").ended;
  t.match(alone, { code: 0, stderr: /the ledger does not tell runs and incidents/ });
  t.match(documents(alone.stdout), [{ message: "tick", run: "run-3", generation: null }]);
});

t.test("lines go to a collector once, from where its cursor is", async (t) => {
  const { home, run } = await setUp(t);
  let received = "";
  const server = createServer((socket) => {
    socket.on("data", (chunk) => {
      received += chunk.toString("utf8");
    });
    socket.on("error", () => undefined);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.teardown(() => server.close());
  const to = `tcp://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const send = () =>
    run("export", "web", "--format", "syslog", "--to", to, "--cursor", "cursor", "--once", "--json").ended;
  const first = await send();
  t.equal(first.code, 0, first.stderr);
  t.same(documents(first.stdout), [{ schemaVersion: 1, agent: "web", lines: 4 }]);
  t.match(
    received,
    /^\d+ <30>1 - h web - - \[daruma@32473 agent="web" run="run-1" generation="1"\] \ufeffone\d+ <30>/,
  );
  received = "";
  appendFileSync(join(home, "log"), "four\n");
  t.same(documents((await send()).stdout), [{ schemaVersion: 1, agent: "web", lines: 1 }]);
  t.match(received, /^\d+ <30>1 .* run="run-3" incident="inc-1" generation="1"\] \ufefffour$/);
  t.match(await run("export", "other", "--cursor", "cursor").ended, {
    code: 1,
    stderr: /STREAM_E_CURSOR.*of the agent web/s,
  });
  writeFileSync(join(home, "log"), "short\n");
  t.match(await send(), { code: 1, stderr: /STREAM_E_CURSOR.*the log ends at 6/s });
  t.match(
    (await run("export", "web", "--once").ended).stdout,
    /^\{"host":"h","agent":"web",.*"message":"short"\}\n$/,
  );
});
