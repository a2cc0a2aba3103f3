import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import type { AgentManifest } from "@daruma/config";
import t, { type Test } from "tap";
import {
  fakeAgentCommand,
  freePort,
  healthOn,
  type Lab,
  manifestOf,
  nextRunId,
  openLab,
  startFake,
  until,
  watchExits,
} from "./fixtures/lab.ts";
import { maxLogBytes } from "./log-files.ts";
import { createProcessManager } from "./manager.ts";
import { readProcess } from "./process-table.ts";

const sleep = ["/bin/sleep", "60"];

async function refuses(t: Test, lab: Lab, code: string, manifest: AgentManifest, message = /./) {
  const manager = lab.manager();
  const request = { agent: "a", runId: nextRunId(), manifest };
  await t.rejects(manager.start(request), { code, message });
  t.same(await manager.list(), []);
  t.same(lab.marked(), [], "nothing was left running");
  t.notOk(existsSync(join(lab.runtimeDir, "credentials", "a")), "no credentials were left");
}

t.test("an agent runs in a session of its own, away from our terminal and our files", async (t) => {
  const lab = openLab(t);
  const run = await startFake(lab, lab.manager(), "a");
  const info = readProcess(run.pid);
  t.match(info, { pid: run.pid, group: run.pid, session: run.pid, alive: true });
  t.equal(readlinkSync(`/proc/${run.pid}/fd/0`), "/dev/null");
  for (const descriptor of [1, 2]) {
    t.equal(readlinkSync(`/proc/${run.pid}/fd/${descriptor}`), join(lab.stateDir, "agents", "a", "log"));
  }
  t.equal(readlinkSync(`/proc/${run.pid}/cwd`), join(lab.stateDir, "agents", "a", "state"));
  t.match(run, { agent: "a", digest: "d1" });
  t.ok(Math.abs(Date.now() - run.startedAt) < 60_000);
});

t.test("an agent gets a clean environment, its directories and its credentials", async (t) => {
  const lab = openLab(t);
  const secret = join(lab.stateDir, "secret");
  const manager = lab.manager();
  writeFileSync(secret, "s3cret");
  process.env.DARUMA_TEST_LEAK = "leaked";
  t.teardown(() => delete process.env.DARUMA_TEST_LEAK);
  const overrides = { environment: { GREETING: "hello" }, credentials: { API_KEY: secret } };
  const run = await startFake(lab, manager, "a", ["--print-env"], overrides);
  const environment = JSON.parse(lab.logOf("a").split("\n")[0] ?? "");
  t.match(environment, {
    PATH: process.env.PATH,
    GREETING: "hello",
    DARUMA_AGENT: "a",
    DARUMA_RUN_ID: run.runId,
    DARUMA_DIGEST: "d1",
    DARUMA_OWNER: lab.owner,
    DARUMA_STATE_DIR: join(lab.stateDir, "agents", "a", "state"),
    DARUMA_CHECKPOINT_DIR: join(lab.stateDir, "agents", "a", "checkpoint"),
    CREDENTIALS_DIRECTORY: join(lab.runtimeDir, "credentials", "a"),
  });
  t.notOk("DARUMA_TEST_LEAK" in environment);
  t.ok(statSync(environment.DARUMA_CHECKPOINT_DIR).isDirectory());
  const key = join(environment.CREDENTIALS_DIRECTORY, "API_KEY");
  t.equal(readFileSync(key, "utf8"), "s3cret");
  await manager.stop(run.runId, { signal: "SIGTERM", graceMs: 10_000 });
  t.notOk(existsSync(key), "credentials go with the run");
});

t.test("the declared working directory is used", async (t) => {
  const lab = openLab(t);
  mkdirSync(lab.stateDir);
  const run = await startFake(lab, lab.manager(), "a", [], { workingDirectory: lab.stateDir });
  t.equal(readlinkSync(`/proc/${run.pid}/cwd`), lab.stateDir);
});

t.test("a log is appended to from run to run, and set aside when it has grown large", async (t) => {
  const lab = openLab(t);
  const manager = lab.manager();
  const exits = watchExits(manager);
  const say = async (word: string) => {
    const runId = nextRunId();
    await manager.start({ agent: "a", runId, manifest: manifestOf(["/bin/echo", word]) });
    await exits.of(runId);
  };
  await say("first");
  await say("second");
  t.equal(lab.logOf("a"), "first\nsecond\n");
  const log = join(lab.stateDir, "agents", "a", "log");
  truncateSync(log, maxLogBytes + 1);
  await say("third");
  t.equal(lab.logOf("a"), "third\n");
  t.equal(statSync(`${log}.0-${maxLogBytes + 1}`).size, maxLogBytes + 1);
  t.equal(statSync(log).mode & 0o077, 0);
});

t.test("a run record is there before the start resolves", async (t) => {
  const lab = openLab(t);
  const runId = nextRunId();
  const run = await lab.manager().start({ agent: "a", runId, manifest: manifestOf(sleep) });
  const record = JSON.parse(readFileSync(join(lab.stateDir, "watchd", "runs", "a.json"), "utf8"));
  t.match(record, {
    agent: "a",
    runId,
    digest: "d1",
    pid: run.pid,
    startTicks: readProcess(run.pid)?.startTicks,
  });
});

t.test("a program that does not exist is refused by code", async (t) => {
  await refuses(
    t,
    openLab(t),
    "AGENT_E_COMMAND_NOT_FOUND",
    manifestOf(["/no/such/program"]),
    /\/no\/such\/program/,
  );
  await refuses(t, openLab(t), "AGENT_E_COMMAND_NOT_FOUND", manifestOf(["/etc/passwd/x"]));
  await refuses(t, openLab(t), "AGENT_E_COMMAND_NOT_FOUND", manifestOf(["daruma-no-such-program"]));
});

t.test(
  "a script whose interpreter does not exist is refused, naming the interpreter as missing",
  async (t) => {
    const lab = openLab(t);
    mkdirSync(lab.stateDir);
    const script = join(lab.stateDir, "script");
    writeFileSync(script, "#!/no/such/interpreter\n", { mode: 0o755 });
    await refuses(t, lab, "AGENT_E_COMMAND_NOT_FOUND", manifestOf([script]), /interpreter/);
  },
);

t.test("a file that may not be executed is refused by code", async (t) => {
  const lab = openLab(t);
  mkdirSync(lab.stateDir);
  const file = join(lab.stateDir, "file");
  writeFileSync(file, "#!/bin/sh\n", { mode: 0o644 });
  await refuses(t, lab, "AGENT_E_NOT_EXECUTABLE", manifestOf([file]));
  await refuses(t, lab, "AGENT_E_NOT_EXECUTABLE", manifestOf([lab.stateDir]));
  chmodSync(file, 0o755);
  await lab.manager().start({ agent: "a", runId: nextRunId(), manifest: manifestOf([file]) });
});

t.test("a working directory that is none is refused by code", async (t) => {
  const refuse = (workingDirectory: string) =>
    refuses(t, openLab(t), "AGENT_E_WORKING_DIRECTORY", manifestOf(sleep, { workingDirectory }));
  await refuse("/no/such/directory");
  await refuse("/etc/passwd");
  await refuse("/etc/passwd/x");
});

t.test("a missing credential is refused by code, and its siblings are taken back", async (t) => {
  const credentials = { GOOD: "/etc/passwd", BAD: "/no/such/file" };
  await refuses(
    t,
    openLab(t),
    "AGENT_E_CREDENTIAL",
    manifestOf(sleep, { credentials }),
    /BAD.*\/no\/such\/file/,
  );
});

t.test("an empty command, and a NUL in one, are refused without quoting what may be secret", async (t) => {
  await refuses(t, openLab(t), "AGENT_E_START_FAILED", manifestOf([]));
  await refuses(
    t,
    openLab(t),
    "AGENT_E_START_FAILED",
    manifestOf(["/bin/sleep", "s3\0cret"]),
    /^((?!cret).)*$/,
  );
  const environment = { KEY: "s3\0cret" };
  await refuses(t, openLab(t), "AGENT_E_START_FAILED", manifestOf(sleep, { environment }), /^((?!cret).)*$/);
});

t.test("a command that is too long for the kernel is refused by code", async (t) => {
  await refuses(t, openLab(t), "AGENT_E_START_FAILED", manifestOf(["/bin/echo", "x".repeat(10_000_000)]));
});

t.test("an agent whose port a stranger serves is not started", async (t) => {
  const server: Server = createServer((socket) => socket.destroy());
  const port = await freePort();
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  t.teardown(() => server.close());
  const secret = { credentials: { KEY: "/etc/passwd" } };
  const manifest = manifestOf(fakeAgentCommand(`--port=${port}`), { health: healthOn(port), ...secret });
  await refuses(t, openLab(t), "AGENT_E_PORT_IN_USE", manifest, new RegExp(String(port)));
});

t.test("a start that cannot be recorded leaves nothing running", async (t) => {
  const lab = openLab(t);
  const manager = lab.manager();
  const exits = watchExits(manager);
  // A directory in the place of the record's file: no user, not even root, can rename a file over it.
  mkdirSync(join(lab.stateDir, "watchd", "runs", "a.json", "x"), { recursive: true });
  await t.rejects(manager.start({ agent: "a", runId: nextRunId(), manifest: manifestOf(sleep) }));
  t.same(lab.marked(), []);
  t.same(exits.all, []);
});

t.test("a run id that exists already is a bug of the caller, not a second process", async (t) => {
  const lab = openLab(t);
  const manager = lab.manager();
  const request = { agent: "a", runId: nextRunId(), manifest: manifestOf(sleep) };
  await manager.start(request);
  await t.rejects(manager.start(request), { message: /exists already/ });
  t.equal((await manager.list()).length, 1);
});

t.test("an agent's name that would be a path elsewhere is not used as one", async (t) => {
  const lab = openLab(t);
  const request = { agent: "../../escape", runId: nextRunId(), manifest: manifestOf(sleep) };
  await t.rejects(lab.manager().start(request), { message: /not an agent's name/ });
});

t.test("a state directory that cannot be used is refused by code", async (t) => {
  const lab = openLab(t);
  for (const stateDir of ["/etc/passwd", "/etc/passwd/below"]) {
    t.throws(() => createProcessManager({ stateDir, runtimeDir: lab.runtimeDir }), {
      code: "WATCHD_E_STATE_DIRECTORY",
    });
  }
});

t.test("an agent that ends at once is started, listed no more, and reported", async (t) => {
  const lab = openLab(t);
  const manager = lab.manager();
  const exits = watchExits(manager);
  const runId = nextRunId();
  await manager.start({ agent: "a", runId, manifest: manifestOf(["/bin/true"]) });
  t.same(exits.all, [], "the exit comes after the start");
  t.same((await exits.of(runId)).cause, { kind: "exit", code: 0 });
  t.same(await manager.list(), []);
  await until("nothing is left", () => lab.marked().length === 0);
});
