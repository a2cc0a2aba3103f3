import { chmod, mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import t from "tap";
import { scratchDirectory } from "../test-support/agentctl.ts";
import { readLog } from "./logs.ts";

const began = "2026-11-28T10:00:00.000Z";

t.test("the end of a log file is read, and marked as not from the ledger", async (t) => {
  const state = scratchDirectory(t);
  const directory = join(state, "agents", "loader");
  await mkdir(directory, { recursive: true });
  const log = join(directory, "log");
  t.match(await readLog(state, "loader", began), { fromLedger: false, source: log, missing: /ENOENT/ });
  await writeFile(log, "");
  t.match(await readLog(state, "loader", began), { missing: "it is empty" });
  const lines = Array.from({ length: 30_000 }, (_, n) => `line ${n}`);
  await writeFile(log, `${lines.join("\n")}\n`);
  const found = await readLog(state, "loader", began);
  t.match(found, { fromLedger: false, source: log, extent: /as of now/ });
  t.same("lines" in found && found.lines, lines.slice(-20));
});

t.test("only the name of an agent leads to a file, and only to a file of its own", async (t) => {
  const state = scratchDirectory(t);
  for (const name of ["../x", "", "/etc/passwd", "A"])
    t.match(await readLog(state, name, began), { source: "none" });
  await mkdir(join(state, "agents", "loader"), { recursive: true });
  await writeFile(join(state, "secret"), "s\n");
  await symlink(join(state, "secret"), join(state, "agents", "loader", "log"));
  t.match(await readLog(state, "loader", began), { missing: /ELOOP/ });
});

t.test(
  "on a host the journal is read up to the failure, and what keeps it from being read is said",
  async (t) => {
    const directory = scratchDirectory(t);
    const { PATH } = process.env;
    t.teardown(() => {
      process.env.PATH = PATH;
    });
    process.env.PATH = `${directory}:${PATH}`;
    const journal = async (script: string) => {
      await writeFile(join(directory, "journalctl"), `#!/bin/sh\n${script}\n`);
      await chmod(join(directory, "journalctl"), 0o755);
      return await readLog(null, "loader", "2026-11-28T10:00:00.400Z");
    };
    const found = await journal('for word; do echo "$word"; done');
    t.match(found, { fromLedger: false, source: "journalctl -u daruma-agent-loader" });
    const words = "lines" in found ? found.lines.join(" ") : "";
    t.match(words, /-u daruma-agent-loader .*--until @1795860001$/);
    t.match(await journal("exit 0"), { missing: /no line/ });
    t.match(await journal("exit 3"), { missing: "journalctl exited with 3" });
  },
);
