import { dirname, join, relative, resolve } from "node:path";
import { type ExitCode, exitCode } from "@daruma/base";
import { checkError, checkFleet } from "../check/check.ts";
import type { Checked, Step } from "../check/step.ts";
import type { Context } from "../cli/command.ts";
import { annotating } from "./annotating.ts";

export interface CheckInput {
  readonly options: {
    readonly config: string;
    readonly out: string | undefined;
    readonly generated: boolean;
    readonly format: string;
  };
}

export function check(context: Context, { options }: CheckInput): Promise<ExitCode> {
  return annotating(context, options.format, async () => {
    const { cwd, environment, interrupt, output } = context;
    const configFile = resolve(cwd, options.config);
    const out = resolve(cwd, options.out ?? join(dirname(configFile), "generated"));
    const checked = await checkFleet({
      configFile,
      out: options.generated ? out : null,
      path: environment.PATH ?? "",
      cwd,
      signal: interrupt,
    });
    interrupt.throwIfAborted();
    const { steps, problems, silenced } = checked;
    if (problems.length > 0) {
      for (const line of stepLines(context, checked)) output.note(line);
      throw checkError(problems, relative(cwd, configFile) || configFile);
    }
    await output.result({ schemaVersion: 1, steps, silenced }, () => stepLines(context, checked));
    return exitCode.ok;
  });
}

const marks = {
  passed: ["green", "ok     "],
  failed: ["red", "failed "],
  skipped: ["yellow", "skipped"],
} as const satisfies Record<Step["state"], readonly [string, string]>;

function stepLines({ output }: Context, { steps, silenced }: Checked): string[] {
  return [
    ...steps.map(({ name, state, detail }) => {
      const [color, mark] = marks[state];
      return `${output.paint(color, mark)}  ${name}${detail === null ? "" : `: ${detail}`}`;
    }),
    ...silenced.map(({ code, path, reason }) => output.paint("dim", `silenced ${code} ${path}: ${reason}`)),
  ];
}
