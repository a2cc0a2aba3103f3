/** For GitHub Actions: problems appear beside the lines of a pull request. */
export const githubText = `name: fleet
on:
  push:
    branches: [main]
  pull_request:

permissions:
  contents: read

jobs:
  check:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - uses: cachix/install-nix-action@v31
      - name: agentctl and tsc on PATH
        run: |
          nix build .#ci --out-link "$RUNNER_TEMP/ci"
          echo "$RUNNER_TEMP/ci/bin" >> "$GITHUB_PATH"
      - name: check
        run: agentctl check --format github
      - name: evaluate every host
        run: nix flake check --no-build
`;

export const gitlabText = `stages: [check]

check:
  stage: check
  image: nixos/nix:2.31.2
  variables:
    NIX_CONFIG: experimental-features = nix-command flakes
  before_script:
    - nix build .#ci --out-link /tmp/ci
    - export PATH="/tmp/ci/bin:$PATH"
  script:
    - agentctl check
    - nix flake check --no-build
  rules:
    - if: $CI_PIPELINE_SOURCE == "merge_request_event"
    - if: $CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH
`;
