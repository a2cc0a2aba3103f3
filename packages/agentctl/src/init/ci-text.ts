/** What a fleet's CI does on a forge. */
export interface CiParts {
  /** Of the workflow on GitHub. */
  readonly workflow: string;
  /** Of the job. */
  readonly job: string;
  /** What `agentctl check` gets besides its format: nothing where the fleet file is in the repository's root. */
  readonly options: readonly string[];
  /** YAML that puts agentctl and tsc on PATH. */
  readonly prepare: {
    /** Steps of the job, as lines. */
    readonly github: readonly string[];
    /** Keys of the job up to and with its `before_script`, as lines. */
    readonly gitlab: readonly string[];
  };
  /** A command that comes after the check, with what it is for; null where there is none. */
  readonly after: { readonly name: string; readonly run: string } | null;
}

/** In a repository of its own, whose flake has what CI needs. */
export const newFleetCi: CiParts = {
  workflow: "fleet",
  job: "check",
  options: [],
  prepare: {
    github: [
      "- uses: cachix/install-nix-action@v31",
      "- name: agentctl and tsc on PATH",
      "  run: |",
      '    nix build .#ci --out-link "$RUNNER_TEMP/ci"',
      '    echo "$RUNNER_TEMP/ci/bin" >> "$GITHUB_PATH"',
    ],
    gitlab: [
      "image: nixos/nix:2.31.2",
      "variables:",
      "  NIX_CONFIG: experimental-features = nix-command flakes",
      "before_script:",
      "  - nix build .#ci --out-link /tmp/ci",
      '  - export PATH="/tmp/ci/bin:$PATH"',
    ],
  },
  after: { name: "evaluate every host", run: "nix flake check --no-build" },
};

/**
 * Of a fleet in Daruma's own repository, which builds agentctl from source. All runs in the root: GitHub wants the places of
 * problems from there.
 *
 * @param directory of the fleet, from the root.
 */
export function exampleCi(name: string, directory: string): CiParts {
  return {
    workflow: name,
    job: name,
    options: ["--config", `${directory}/fleet.config.ts`],
    prepare: {
      github: [
        "- uses: cachix/install-nix-action@v31",
        "- name: agentctl and tsc on PATH, and what the fleet takes from npm",
        "  run: |",
        "    make build",
        '    echo "$PWD/node_modules/.bin" >> "$GITHUB_PATH"',
      ],
      gitlab: [
        "image: node:24-bookworm",
        "before_script:",
        "  - apt-get update -qq && apt-get install -y -qq --no-install-recommends nix-bin",
        "  - make build",
        '  - export PATH="$CI_PROJECT_DIR/node_modules/.bin:$PATH"',
      ],
    },
    after: null,
  };
}

/** For GitHub Actions: problems appear beside the lines of a pull request. */
export function githubText({ workflow, job, options, prepare, after }: CiParts): string {
  const steps = [
    "- uses: actions/checkout@v4",
    ...prepare.github,
    "- name: check",
    `  run: ${["agentctl check", ...options, "--format github"].join(" ")}`,
    ...(after === null ? [] : [`- name: ${after.name}`, `  run: ${after.run}`]),
  ];
  return `name: ${workflow}
on:
  push:
    branches: [main]
  pull_request:

permissions:
  contents: read

jobs:
  ${job}:
    runs-on: ubuntu-latest
    steps:
${indented(steps, 6)}
`;
}

/** For GitLab. */
export function gitlabText({ job, options, prepare, after }: CiParts): string {
  const script = [["agentctl check", ...options].join(" "), ...(after === null ? [] : [after.run])];
  return `stages: [check]

${job}:
  stage: check
${indented(prepare.gitlab, 2)}
  script:
${indented(
  script.map((command) => `- ${command}`),
  4,
)}
  rules:
    - if: $CI_PIPELINE_SOURCE == "merge_request_event"
    - if: $CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH
`;
}

function indented(lines: readonly string[], by: number): string {
  return lines.map((line) => `${" ".repeat(by)}${line}`).join("\n");
}
