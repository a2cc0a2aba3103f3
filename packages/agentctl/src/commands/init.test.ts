import { execFile } from "node:child_process";
import { chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import t from "tap";
import { evaluateNix, withoutNix } from "../compile/nix-support.ts";
import { documents, runAgentctl, scratchDirectory } from "../test-support/agentctl.ts";

const root = join(import.meta.dirname, "../../../..");

/** The commands of a CI file that need nothing from the network. */
function commandsOf(text: string): string[] {
  return [...text.matchAll(/^ *(?:- |run: )(agentctl .*)$/gm)].map(([, command = ""]) => command);
}

/** Several programs one after the other, on a machine that may have other work. */
const patient = { timeout: 180_000 };

const cwd = scratchDirectory(t);
const fleet = join(cwd, "my-fleet");
const made = runAgentctl(t, ["init", "my-fleet", "--json"], { cwd });

t.test("what CI runs passes in a new fleet, and nowhere else than where all is well", patient, async (t) => {
  t.match(documents((await made).stdout), [{ schemaVersion: 1, directory: fleet }]);
  const bin = join(cwd, "bin");
  await mkdir(bin);
  await writeFile(join(bin, "agentctl"), `#!/bin/sh\nexec node ${join(root, "dist/agentctl.mjs")} "$@"\n`);
  await chmod(join(bin, "agentctl"), 0o755);
  const PATH = [bin, join(root, "node_modules/.bin"), dirname(process.execPath), process.env.PATH].join(":");
  const run = (command: string) =>
    promisify(execFile)("sh", ["-c", command], { cwd: fleet, env: { ...process.env, PATH } }).then(
      ({ stdout }) => ({ code: 0, stdout }),
      ({ code, stdout }) => ({ code, stdout }),
    );
  const github = commandsOf(await readFile(join(fleet, ".github/workflows/fleet.yml"), "utf8"));
  const gitlab = commandsOf(await readFile(join(fleet, ".gitlab-ci.yml"), "utf8"));
  t.same([...github, ...gitlab], ["agentctl check --format github", "agentctl check"]);

  // Options that an editor has to know, and mistakes that it has to mark, for the compiler that `check` runs.
  const types = `import { type AgentInput, defineFleet, nixpkg } from "@daruma/config";
export const good: AgentInput = { command: [nixpkg("a", "b"), "c"], stop: { grace: "5s" }, limits: { memory: "1GiB" } };
// @ts-expect-error
export const unknown: AgentInput = { command: ["/x"], helth: {} };
// @ts-expect-error
export const unit: AgentInput = { command: ["/x"], restart: { within: "5 minutes" } };
// @ts-expect-error
export const word: AgentInput = { command: ["/x"], stop: { signal: "SIGKILL" } };
// @ts-expect-error
export const empty: AgentInput = { command: [] };
// @ts-expect-error
defineFleet({ hosts: { a: { agents: {} } } });
`;
  await writeFile(join(fleet, "types-of-options.ts"), types);
  const passed = await run(gitlab.join("\n"));
  t.match(passed, { code: 0, stdout: /^ok +types\n(ok .*\n){4}/ }, passed.stdout);
  t.notMatch(passed.stdout, /failed/);

  const config = await readFile(join(fleet, "fleet.config.ts"), "utf8");
  await writeFile(join(fleet, "fleet.config.ts"), config.replace("attempts: 3", "atempts: 3"));
  const failed = await run(github.join("\n"));
  t.equal(failed.code, 1);
  const line = config.slice(0, config.indexOf("attempts: 3")).split("\n").length;
  t.match(failed.stdout, new RegExp(`^::error file=fleet.config.ts,line=${line},col=.*title=TS2561`, "m"));
  t.match(
    failed.stdout,
    new RegExp(`line=${line},.*title=CONFIG_E_UNKNOWN_OPTION::.*did you mean "attempts"`),
  );
});

t.test("nothing is overwritten, and the types can be written again", patient, async (t) => {
  await made;
  const again = await runAgentctl(t, ["init", "my-fleet", "--json"], { cwd });
  t.match(documents(again.stdout), [
    { error: { code: "INIT_E_EXISTS", problems: [{ path: "fleet.config.ts" }] } },
  ]);
  const file = join(fleet, "types/daruma-config.d.ts");
  const before = await readFile(file, "utf8");
  await writeFile(file, "");
  t.match(await runAgentctl(t, ["init", "my-fleet", "--types"], { cwd }), { code: 0 });
  t.equal(await readFile(file, "utf8"), before);
});

t.test("the flake has a system for each generated host", { ...patient, skip: withoutNix }, async (t) => {
  await made;
  const found = evaluateNix(`
    let
      nixpkgs.lib = {
        genAttrs = names: make: builtins.listToAttrs (map (name: { inherit name; value = make name; }) names);
        nixosSystem = { modules }: builtins.length modules;
        optional = condition: value: if condition then [ value ] else [ ];
      };
      flake = import (/. + ${JSON.stringify(join(fleet, "flake.nix"))});
      daruma = (import (/. + ${JSON.stringify(join(root, "flake.nix"))})).outputs { self = daruma; inherit nixpkgs; };
      outputs = flake.outputs { self = outputs; inherit nixpkgs daruma; };
    in { inherit (outputs) nixosConfigurations; inputs = flake.inputs.daruma.url; names = builtins.attrNames outputs; }
  `);
  t.same(found, {
    nixosConfigurations: { "agent-01": 4 },
    inputs: "flake:daruma",
    names: ["devShells", "nixosConfigurations", "packages"],
  });
});
