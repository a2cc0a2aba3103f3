/**
 * Writes the generated documents: docs/reference/errors.md from the error catalogues of all packages, docs/reference/cli.md
 * from the command table, docs/reference/ledger-actions.md from the ledger's vocabulary, docs/reference/metrics.md from the table of
 * metrics; templates/monitoring/dashboard.json; modules/options.nix and docs/reference/options.md from the schema of the fleet file;
 * templates/fleet, which is what `agentctl init` writes; what examples are compiled to, and their CI. With --check nothing is
 * written; stale files are named, and the exit code is 1.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { baseErrors, type Catalogue, systemCode, writeFileAtomic } from "@daruma/base";
import { configErrors, optionsReference } from "@daruma/config";
import { egressErrors } from "@daruma/egress";
import { actionsReference, ledgerErrors } from "@daruma/ledger";
import { dashboard, metricsErrors, metricsReference } from "@daruma/metrics";
import { watchdErrors } from "@daruma/watchd";
import {
  agentctlErrors,
  cliReference,
  commandTable,
  compileErrors,
  exampleCi,
  githubText,
  gitlabText,
  lintErrors,
  optionsModule,
} from "agentctl";

const root = dirname(dirname(fileURLToPath(import.meta.url)));

const catalogues: readonly { readonly title: string; readonly catalogue: Catalogue }[] = [
  { title: "agentctl", catalogue: agentctlErrors.catalogue },
  { title: "agentctl compile", catalogue: compileErrors.catalogue },
  { title: "agentctl check, lints", catalogue: lintErrors.catalogue },
  { title: "Fleet file", catalogue: configErrors.catalogue },
  { title: "Ledger", catalogue: ledgerErrors.catalogue },
  { title: "watchd, agents and generations", catalogue: watchdErrors.catalogue },
  { title: "egressd", catalogue: egressErrors.catalogue },
  { title: "metricsd", catalogue: metricsErrors.catalogue },
  { title: "Sockets and documents", catalogue: baseErrors.catalogue },
];

const documents: Readonly<Record<string, string>> = {
  "docs/reference/errors.md": errorsReference(),
  "docs/reference/cli.md": cliReference(commandTable),
  "docs/reference/ledger-actions.md": actionsReference(),
  "docs/reference/options.md": optionsReference(),
  "docs/reference/metrics.md": metricsReference(),
  "templates/monitoring/dashboard.json": `${JSON.stringify(dashboard(), null, 2)}\n`,
  "modules/options.nix": await optionsModule(),
  ...newFleet(),
  ...compiledExample("etl-pipeline"),
  ...ciOfExample("etl-pipeline"),
};

if (process.argv.includes("--check")) await check();
else await write();

async function write(): Promise<void> {
  for (const [path, text] of Object.entries(documents)) {
    if ((await current(path)) === text) continue;
    await writeFileAtomic(join(root, path), text);
    process.stdout.write(`wrote ${path}\n`);
  }
}

/** What `agentctl init` writes: the same is there for `nix flake init -t`. */
function newFleet(): Record<string, string> {
  const directory = mkdtempSync(join(tmpdir(), "daruma-template-"));
  try {
    execFileSync(process.execPath, [
      join(root, "packages/agentctl/src/main.ts"),
      "init",
      directory,
      "--json",
    ]);
    const files = readdirSync(directory, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name));
    return Object.fromEntries(
      files.map((file) => [`templates/fleet/${relative(directory, file)}`, readFileSync(file, "utf8")]),
    );
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** What `agentctl compile` makes of an example, where `agentctl compile --check` looks for it. */
function compiledExample(name: string): Record<string, string> {
  const example = join(root, "examples", name);
  // Sources are named by their way from the generated file, which has to be as far from them as it will be.
  const out = mkdtempSync(join(example, ".daruma-generated-"));
  try {
    execFileSync(process.execPath, [
      join(root, "packages/agentctl/src/main.ts"),
      ...["compile", "--config", join(example, "fleet.config.ts"), "--out", out, "--json"],
    ]);
    const hosts = readdirSync(out).map((host) => `${host}/default.nix`);
    return Object.fromEntries(
      hosts.map((file) => [`examples/${name}/generated/${file}`, readFileSync(join(out, file), "utf8")]),
    );
  } finally {
    rmSync(out, { recursive: true });
  }
}

/** Where a forge looks for it: GitHub in the root only, GitLab where it is told to. */
function ciOfExample(name: string): Record<string, string> {
  const parts = exampleCi(name, `examples/${name}`);
  return {
    [`.github/workflows/${name}.yml`]: githubText(parts),
    [`examples/${name}/.gitlab-ci.yml`]: gitlabText(parts),
  };
}

async function check(): Promise<void> {
  const stale: string[] = [];
  for (const [path, text] of Object.entries(documents)) if ((await current(path)) !== text) stale.push(path);
  if (stale.length === 0) return;
  process.stderr.write(`stale, run \`make generate\`:\n${stale.map((path) => `  ${path}\n`).join("")}`);
  process.exitCode = 1;
}

async function current(path: string): Promise<string | null> {
  try {
    return await readFile(join(root, path), "utf8");
  } catch (error) {
    if (systemCode(error) === "ENOENT") return null;
    throw error;
  }
}

function errorsReference(): string {
  const sections = catalogues.map(({ title, catalogue }) =>
    [`## ${title}`, ...Object.entries(catalogue).sort(byCode).map(errorSection)].join("\n\n"),
  );
  return `${[
    "# Error codes",
    "Generated from the error catalogues by `make generate`. A code never changes its meaning. Everything that is not a bug of Daruma ends with one of these, printed with a message that says what happened this time; exit codes are explained in [cli.md](cli.md).",
    ...sections,
  ].join("\n\n")}\n`;
}

function errorSection([code, entry]: [string, Catalogue[string]]): string {
  return `### ${code}\n\n${entry?.summary}\n\n- What to do: ${entry?.remedy}\n- Exit code: ${entry?.exit}`;
}

function byCode([a]: [string, unknown], [b]: [string, unknown]): number {
  return a < b ? -1 : 1;
}
