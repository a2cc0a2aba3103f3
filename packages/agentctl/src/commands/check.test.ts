import { chmod, mkdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import t from "tap";
import { documents } from "../test-support/agentctl.ts";
import { createFleet } from "../test-support/fleet.ts";

/** A compiler that finds one wrong type, or none. */
async function installCompiler(directory: string, output: string): Promise<void> {
  const bin = join(directory, "node_modules", ".bin");
  await mkdir(bin, { recursive: true });
  const text = output === "" ? "exit 0" : `echo "${output}"; exit 2`;
  await writeFile(join(bin, "tsc"), `#!/bin/sh\n${text}\n`);
  await chmod(join(bin, "tsc"), 0o755);
  await writeFile(join(directory, "tsconfig.json"), "{}");
}

t.test("check tells everything at once, and passes when all is well or silenced", async (t) => {
  const fleet = await createFleet(t);
  await installCompiler(fleet.directory, "fleet.config.ts(99,1): error TS2322: wrong.");
  await rename(join(fleet.directory, "agent"), join(fleet.directory, "elsewhere"));
  const bad = await fleet.run("check", "--json");
  t.equal(bad.code, 1);
  t.match(documents(bad.stdout), [{ error: { code: "CHECK_E_FAILED" } }]);
  const { error } = documents(bad.stdout)[0] ?? {};
  const { problems } = error as { problems: { code: string; place?: { line: number } }[] };
  const codes = new Set(problems.map(({ code }) => code));
  for (const code of [
    "TS2322",
    "COMPILE_E_SOURCE",
    "LINT_E_EGRESS_OPEN",
    "LINT_E_GRACE",
    "COMPILE_E_STALE",
  ]) {
    t.ok(codes.has(code), code);
  }
  for (const { code, place } of problems)
    if (code !== "COMPILE_E_STALE") t.match(place, { line: Number }, code);
  const lines = problems.map(({ place }) => place?.line ?? Number.POSITIVE_INFINITY);
  t.same(
    lines,
    lines.toSorted((a, b) => a - b),
    "as a person goes through the file",
  );
  t.match(bad.stderr, /failed {3}generated: 1 problem/);

  await rename(join(fleet.directory, "elsewhere"), join(fleet.directory, "agent"));
  await installCompiler(fleet.directory, "");
  await fleet.writeConfig({ agent: 'egress: [], stop: { grace: "100ms" },' });
  t.equal((await fleet.run("compile")).code, 0);
  const good = await fleet.run("check", "--json");
  t.match(good, { code: 0 }, good.stderr);
  t.match(documents(good.stdout), [
    {
      steps: [
        { name: "types", state: "passed" },
        { state: "passed" },
        {},
        { name: "lints", state: "passed" },
        {},
        {},
      ],
    },
  ]);
});
