import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { documents } from "../test-support/agentctl.ts";
import { createFleet } from "../test-support/fleet.ts";

t.test("diff tells what a deploy would do since a commit, and leaves the repository as it is", async (t) => {
  const fleet = await createFleet(t);
  const git = (...args: string[]) =>
    execFileSync("git", ["-c", "user.name=a", "-c", "user.email=a@example.com", ...args], {
      cwd: fleet.directory,
      encoding: "utf8",
    });
  git("init", "--quiet");
  git("add", ".");
  git("commit", "--quiet", "--message", "first");
  const none = await fleet.run("diff", "--exit-code", "--json");
  t.match(none, { code: 0 }, none.stderr);
  t.match(documents(none.stdout), [{ changes: false, from: { ref: "HEAD", commit: /^[0-9a-f]{12}$/ } }]);

  await fleet.writeAgent("two");
  writeFileSync(join(fleet.directory, "flake.lock"), "{}");
  const config = readFileSync(fleet.config, "utf8");
  writeFileSync(fleet.config, config.replace("attempts: 2", "attempts: 9"));
  const before = git("status", "--porcelain") + git("count-objects");
  const changed = await fleet.run("diff", "HEAD", "--exit-code", "--json");
  t.equal(changed.code, 1, changed.stderr);
  t.match(documents(changed.stdout), [
    {
      changes: true,
      notes: [/flake\.lock changes/],
      hosts: [
        {
          state: "changed",
          units: [{ unit: "daruma-agent-web.service", action: "restart", reasons: ["the code in ./agent"] }],
          policies: [{ agent: "web", option: "restart.attempts", from: "2", to: "9" }],
        },
      ],
    },
  ]);
  t.equal(git("status", "--porcelain") + git("count-objects"), before);

  writeFileSync(fleet.config, config.replace("attempts: 2", "attemps: 2"));
  git("commit", "--quiet", "--all", "--message", "broken");
  writeFileSync(fleet.config, config);
  const broken = await fleet.run("diff", "--json");
  const place = { file: "HEAD:fleet.config.ts" };
  t.match(documents(broken.stdout), [{ error: { code: "COMPILE_E_REVISION", problems: [{ place }] } }]);

  const wrong = await fleet.run("diff", "--json", "no-such-branch");
  t.match(documents(wrong.stdout), [{ error: { code: "COMPILE_E_REVISION" } }]);
});
