export const readmeText = `# A fleet of agents

\`fleet.config.ts\` describes every host and agent. Daruma keeps them running, rolls bad deploys back, and can prove what happened.

\`\`\`console
$ agentctl dev        # run the fleet here, without root or Nix; edit fleet.config.ts or hello/ and it is deployed again
$ agentctl status     # in another terminal
$ agentctl compile    # write generated/HOST/default.nix; commit them
$ agentctl check      # what CI runs: types, the fleet, lints, generated files, Nix
\`\`\`

| | |
|---|---|
| \`fleet.config.ts\` | the fleet; your editor completes every option |
| \`hello/\` | the code of the agent \`hello\`; put your own beside it |
| \`generated/\` | what \`agentctl compile\` wrote: NixOS modules, to be committed and reviewed |
| \`machines/HOST.nix\` | yours: disks, network, users of a host |
| \`flake.nix\` | a NixOS configuration for each host |
| \`types/\`, \`tsconfig.json\` | for editors and \`tsc\`; nothing has to be installed |
| \`.github/\`, \`.gitlab-ci.yml\` | CI; delete the one that you do not use |

Before CI can pass and before the first deploy: in \`flake.nix\`, say where Daruma is from (\`inputs.daruma.url\`), then \`nix flake lock\`. Write \`machines/agent-01.nix\`: NixOS evaluates no host without disks. On the host:

\`\`\`console
# nixos-rebuild switch --flake .#agent-01
\`\`\`

A new release of Daruma may bring new options: \`agentctl init --types\` writes \`types/daruma-config.d.ts\` again.
`;

export const tsconfigText = `{
  // For editors and for \`tsc\`. Node strips the types when the fleet is evaluated: nothing is compiled.
  "compilerOptions": {
    "target": "es2024",
    "module": "esnext",
    "moduleResolution": "bundler",
    "noEmit": true,
    "strict": true,
    "erasableSyntaxOnly": true,
    "verbatimModuleSyntax": true,
    "allowImportingTsExtensions": true,
    "types": []
  },
  "include": ["*.ts", "types"]
}
`;

export const gitignoreText = `.daruma/
node_modules/
result
`;
