import { configDeclarations } from "@daruma/config";
import { githubText, gitlabText, newFleetCi } from "./ci-text.ts";
import { type FlakeParts, flakeText } from "./flake-text.ts";
import { agentText, fleetText } from "./fleet-text.ts";
import { gitignoreText, readmeText, tsconfigText } from "./readme-text.ts";

/** Where the types of `@daruma/config` are in a fleet's repository. */
export const typesFile = "types/daruma-config.d.ts";

/** The files of a new fleet's repository, by their path in it. Pure; `make generate` makes the flake's template of it. */
export function fleetFiles(parts: FlakeParts): ReadonlyMap<string, string> {
  return new Map([
    ["fleet.config.ts", fleetText],
    ["hello/main.mjs", agentText],
    ["flake.nix", flakeText(parts)],
    ["tsconfig.json", tsconfigText],
    [typesFile, configDeclarations()],
    ["README.md", readmeText],
    [".gitignore", gitignoreText],
    [".github/workflows/fleet.yml", githubText(newFleetCi)],
    [".gitlab-ci.yml", gitlabText(newFleetCi)],
  ]);
}
