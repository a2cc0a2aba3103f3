import { dirname, join, relative, resolve } from "node:path";
import { type ExitCode, exitCode } from "@daruma/base";
import { agentEgress, egressSubjects, type Fleet } from "@daruma/config";
import type { Context } from "../cli/command.ts";
import {
  checkGenerated,
  checkSources,
  compileFleet,
  evaluateFleet,
  loadFleet,
  loadTemplates,
  sourceError,
  staleError,
  type WriteResult,
  writeGenerated,
} from "../compile/index.ts";
import { annotating } from "./annotating.ts";

export interface CompileInput {
  readonly options: {
    readonly config: string;
    readonly out: string | undefined;
    readonly check: boolean;
    readonly format: string;
  };
}

export function compile(context: Context, { options }: CompileInput): Promise<ExitCode> {
  return annotating(context, options.format, () => compileAll(context, { options }));
}

async function compileAll(context: Context, { options }: CompileInput): Promise<ExitCode> {
  const configFile = resolve(context.cwd, options.config);
  const out = resolve(context.cwd, options.out ?? join(dirname(configFile), "generated"));
  const fleet = await loadFleet({ configFile, signal: context.interrupt });
  const warnings = unenforced(fleet);
  for (const warning of warnings)
    context.output.note(`${context.output.paintNote("yellow", "warning")}: ${warning}`);
  await checkSources(fleet, configFile).catch(async (error: unknown) => {
    // Finding places takes as long as evaluating, so they are looked for where they are wanted.
    const again = await evaluateFleet({ configFile, signal: context.interrupt, lint: true });
    throw again.ok && again.sources.length > 0 ? sourceError(again.sources, configFile) : error;
  });
  const files = compileFleet(fleet, { configFile, out, templates: await loadTemplates() });
  if (options.check) {
    const differences = await checkGenerated(out, files);
    if (differences.length > 0) throw staleError(out, differences);
    const document = { schemaVersion: 1, out, current: [...files.keys()], warnings } as const;
    await context.output.result(document, () => [`current: ${plural(files.size)} in ${out}`]);
    return exitCode.ok;
  }
  context.interrupt.throwIfAborted();
  const result = await writeGenerated(out, files);
  await context.output.result({ schemaVersion: 1, out, ...result, warnings }, () =>
    describe(context, out, result),
  );
  return exitCode.ok;
}

/** What is declared and not enforced must not look as if it were. */
function unenforced(fleet: Fleet): string[] {
  return Object.entries(fleet.hosts).flatMap(([host, declared]) => {
    if (declared.egress.mode !== "observe") return [];
    const policies = egressSubjects(declared).map(
      ([name, { egress: own }]) => [name, agentEgress(declared.egress, own)] as const,
    );
    const observed = policies.filter(([, policy]) => policy?.mode === "observe").map(([name]) => name);
    if (observed.length === 0) return [];
    return [
      `on the host ${host}, egress.mode is observe and nothing is enforced: ${observed.join(", ")} can reach everything`,
    ];
  });
}

function describe({ cwd }: Context, out: string, { written, removed, unchanged }: WriteResult): string[] {
  const near = (path: string) => relative(cwd, join(out, path));
  return [
    ...written.map((path) => `wrote ${near(path)}`),
    ...removed.map((path) => `removed ${near(path)}`),
    ...(unchanged > 0 ? [`unchanged: ${plural(unchanged)}`] : []),
  ];
}

function plural(count: number): string {
  return count === 1 ? "1 file" : `${count} files`;
}
