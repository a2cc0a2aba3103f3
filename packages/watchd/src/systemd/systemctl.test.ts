import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t, { type Test } from "tap";
import { createSystemctl } from "./systemctl.ts";

const realPath = process.env.PATH ?? "";

/** A systemctl on PATH that writes down its arguments and then does what `script` says. */
function withSystemctl(t: Test, script: string) {
  const directory = mkdtempSync(join(tmpdir(), "daruma-systemctl-"));
  const file = join(directory, "systemctl");
  writeFileSync(file, `#!/bin/sh\necho "$*" >>'${directory}/log'\n${script}\n`);
  chmodSync(file, 0o755);
  process.env.PATH = `${directory}:${realPath}`;
  t.teardown(() => {
    process.env.PATH = realPath;
    rmSync(directory, { recursive: true });
  });
  const closing = new AbortController();
  return {
    systemctl: createSystemctl(closing.signal),
    close: () => closing.abort(),
    calls: () => readFileSync(join(directory, "log"), "utf8").trim().split("\n"),
  };
}

t.test("it never asks a person, and names are never taken for options", async (t) => {
  const { systemctl, calls } = withSystemctl(t, "exit 0");
  await systemctl.units("daruma-agent-*.service");
  await systemctl.show(["a.service", "b.service"]);
  await systemctl.start("a.service");
  await systemctl.stop("a.service", 10_000);
  await systemctl.reload();
  t.ok(calls().every((call) => call.startsWith("--no-ask-password --no-pager ")));
  t.match(calls(), [
    /list-units --all --full --plain --no-legend -- daruma-agent-\*\.service$/,
    /show --property=\S+ -- a\.service b\.service$/,
    /start -- a\.service$/,
    /stop -- a\.service$/,
    /daemon-reload$/,
  ]);
});

t.test("of many units it asks in several calls, of none in none", async (t) => {
  const script = 'while [ "$1" != -- ]; do shift; done; shift; for unit; do echo "Id=$unit"; echo; done';
  const { systemctl, calls } = withSystemctl(t, script);
  const units = Array.from({ length: 1_001 }, (_, index) => `daruma-agent-a${index}.service`);
  t.same(
    (await systemctl.show(units)).map(({ unit }) => unit),
    units,
  );
  t.equal(calls().length, 3);
  t.same(await systemctl.show([]), []);
  t.equal(calls().length, 3);
});

t.test("a systemd that does not answer in time is told from one that refuses", async (t) => {
  withSystemctl(t, "exec tail -f /dev/null");
  const systemctl = createSystemctl(new AbortController().signal, 50);
  const silence = { code: "WATCHD_E_NO_ANSWER", message: /did not end within 50 ms/ };
  await t.rejects(systemctl.units("*"), silence);
  await t.rejects(systemctl.show(["a.service"]), silence);
  withSystemctl(t, "echo refused >&2; exit 1");
  const refusal = await systemctl.units("*").catch((error) => error);
  t.match(refusal, { code: undefined, message: /exit code 1: refused/ });
});

t.test("what it complains of is the message of an action that failed", async (t) => {
  const { systemctl } = withSystemctl(
    t,
    'echo "Warning: The unit file changed on disk." >&2; echo "Job failed." >&2; echo "See journalctl." >&2; exit 1',
  );
  t.same(await systemctl.start("a.service"), { ok: false, message: "Job failed." });
});

t.test("where it says nothing, its exit code is the message; a warning alone is none", async (t) => {
  const silent = withSystemctl(t, "exit 5");
  t.same(await silent.systemctl.stop("a.service", 10_000), {
    ok: false,
    message: "systemctl ended with exit code 5",
  });
  const warning = withSystemctl(t, 'echo "Warning: changed on disk." >&2; exit 0');
  t.same(await warning.systemctl.reload(), { ok: true, message: "" });
});

t.test("an action ends with its time, and with watchd", async (t) => {
  const { systemctl, close } = withSystemctl(t, "exec sleep 60");
  t.match(await systemctl.stop("a.service", 50), { ok: false, message: /did not end within 50 ms/ });
  const started = systemctl.start("a.service");
  close();
  t.match(await started, { ok: false });
});

t.test("a question that is not answered is an error, with what systemctl said", async (t) => {
  const { systemctl } = withSystemctl(t, "echo 'Failed to connect to bus' >&2; exit 1");
  await t.rejects(systemctl.units("x"), { message: /exit code 1: Failed to connect to bus/ });
  await t.rejects(systemctl.show(["x"]), { message: /Failed to connect to bus/ });
});
