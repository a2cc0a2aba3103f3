import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import t from "tap";

const root = fileURLToPath(new URL("../../..", import.meta.url));

/** What a CI file runs once agentctl is on PATH. */
function commandsOf(file: string): string[] {
  const text = readFileSync(join(root, file), "utf8");
  return [...text.matchAll(/^ *(?:- |run: )(agentctl .*)$/gm)].map(([, command = ""]) => command);
}

// Runs three programs, on a machine that may have other work.
t.test("what CI runs of this fleet passes, from where it runs it", { timeout: 120_000 }, async (t) => {
  const [github, ...others] = commandsOf(".github/workflows/etl-pipeline.yml");
  t.same(others, []);
  // A pull request shows the problems, a job on GitLab has them in its log; one run tells both.
  t.same(
    commandsOf("examples/etl-pipeline/.gitlab-ci.yml").map((command) => `${command} --format github`),
    [github],
  );
  const PATH = [join(root, "node_modules/.bin"), process.env.PATH].join(delimiter);
  const ran = spawnSync("sh", ["-c", github ?? "false"], {
    cwd: root,
    env: { ...process.env, PATH },
    encoding: "utf8",
  });
  t.equal(ran.status, 0, `${ran.stdout}${ran.stderr}`);
  t.match(ran.stdout, /^ok +types\nok +fleet\nok +sources\nok +lints\nok +generated\n/);
  t.notMatch(ran.stdout, /^::|failed/m);
});
