import { dirname, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { baseErrors } from "@daruma/base";
import { type HostSpec, hostSpec, type Word } from "@daruma/config";
import { connectLedger } from "@daruma/ledger";
import {
  type Build,
  buildGeneration,
  createProgramResolver,
  type Deployed,
  type DirectoryGenerations,
} from "@daruma/watchd";
import { agentctlErrors } from "../catalogue.ts";
import { evaluateFleet } from "../compile/index.ts";
import { mayComeBack } from "../instance/patience.ts";
import type { WatchdClient } from "../instance/watchd-client.ts";
import type { WatchTargets } from "./watch.ts";

export interface Plan {
  /** Absolute. */
  readonly config: string;
  /** The host to run; null for the only one. */
  readonly host: string | null;
  /** The directory of generations. */
  readonly root: string;
  /** The program that evaluates fleet files. */
  readonly agentctl: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

export interface Prepared {
  readonly spec: HostSpec;
  readonly build: Build;
}

export type Preparation =
  | { readonly ok: true; readonly targets: WatchTargets; readonly prepared: Prepared }
  | { readonly ok: false; readonly targets: WatchTargets; readonly error: unknown };

/**
 * From the fleet file to a store path, without touching anything that runs. Whatever goes wrong is told together with
 * what to watch: the mistake is corrected there.
 */
export async function prepare(plan: Plan, signal: AbortSignal): Promise<Preparation> {
  const program = { execPath: process.execPath, args: [plan.agentctl] };
  const evaluation = await evaluateFleet({ configFile: plan.config, program, signal });
  const files = evaluation.dependencies;
  if (!evaluation.ok) return { ok: false, targets: { files, trees: [] }, error: evaluation.error };
  let trees: readonly string[] = [];
  try {
    const spec = chooseHost(evaluation.fleet.hosts, plan.host);
    trees = sourceDirectories(spec, dirname(plan.config));
    const build = await buildGeneration({
      root: plan.root,
      spec,
      configDir: dirname(plan.config),
      resolveProgram: createProgramResolver(plan.environment.PATH ?? ""),
    });
    return { ok: true, targets: { files, trees }, prepared: { spec, build } };
  } catch (error) {
    return { ok: false, targets: { files, trees }, error };
  }
}

type Hosts = Readonly<Record<string, Parameters<typeof hostSpec>[1]>>;

/** @throws DEV_E_HOST */
export function chooseHost(hosts: Hosts, wanted: string | null): HostSpec {
  const names = Object.keys(hosts).sort();
  const name = wanted ?? (names.length === 1 ? names[0] : undefined);
  const host = name !== undefined && Object.hasOwn(hosts, name) ? hosts[name] : undefined;
  if (name !== undefined && host !== undefined) return hostSpec(name, host);
  const all = names.join(", ");
  const message =
    wanted === null
      ? `the fleet has ${names.length} hosts, and one of them is to run here: ${all}`
      : `the fleet has no host ${wanted}; it has ${all}`;
  throw agentctlErrors.make("DEV_E_HOST", message);
}

function sourceDirectories(spec: HostSpec, configDir: string): string[] {
  const programs = [...Object.values(spec.agents), ...Object.values(spec.routines)];
  const words: Word[] = programs.flatMap(({ command, environment }) => [
    ...command,
    ...Object.values(environment),
  ]);
  const directories = words.flatMap((word) =>
    typeof word === "object" && word.ref === "source" ? [resolve(configDir, word.directory)] : [],
  );
  return [...new Set(directories)];
}

export interface Target {
  readonly watchd: WatchdClient;
  readonly generations: DirectoryGenerations;
  readonly ledgerSocket: string;
  readonly config: string;
}

/**
 * Makes a prepared generation the current one. The intent is in the ledger before anything moves.
 *
 * @throws DEV_E_QUARANTINED; LEDGER_E_*, SOCKET_E_*, GENERATION_E_*: then the old generation is still the current one
 */
export async function activate({ spec, build }: Prepared, target: Target): Promise<Deployed> {
  const { generation, quarantine } = await target.watchd.status();
  const barred = quarantine.find((entry) => entry.path === build.path);
  if (barred !== undefined) {
    const { number, agent } = barred;
    throw agentctlErrors.make(
      "DEV_E_QUARANTINED",
      `this is generation ${number}, which was rolled back from because of ${agent}; it was not deployed`,
      {
        where: build.path,
        hint: `Change what was broken; or run \`agentctl generations allow ${number}\`, and save the file again.`,
      },
    );
  }
  if (generation?.path === build.path)
    return { number: generation.number, path: build.path, unchanged: true };
  await recordIntent(target, {
    action: "generation.deploy",
    subject: build.path,
    details: {
      host: spec.host,
      hostDigest: build.manifest.hostDigest,
      config: target.config,
      fromNumber: generation?.number ?? null,
      from: generation?.path ?? null,
      agents: Object.fromEntries(
        Object.entries(build.manifest.agents).map(([name, { digest }]) => [name, digest]),
      ),
      severity: "info",
      at: new Date().toISOString(),
    },
  });
  const deployed = await target.generations.deploy(build.path);
  await target.watchd.reload().catch((error: unknown) => {
    // Only a hint: watchd sees the switch by itself, and asks again when it comes back.
    if (!mayComeBack(error)) throw error;
  });
  return deployed;
}

const intentWithinMs = 10_000;

type Intent = Parameters<Awaited<ReturnType<typeof connectLedger>>["append"]>[0];

async function recordIntent({ ledgerSocket }: Target, intent: Intent): Promise<void> {
  const ledger = await connectLedger({ socket: ledgerSocket, timeoutMs: intentWithinMs });
  const done = new AbortController();
  try {
    await Promise.race([ledger.append(intent), tooLate(ledgerSocket, done.signal)]);
  } finally {
    done.abort();
    await ledger.close(1_000);
  }
}

async function tooLate(socket: string, done: AbortSignal): Promise<never> {
  await sleep(intentWithinMs, undefined, { signal: done });
  const message = `ledgerd did not acknowledge the deploy within ${intentWithinMs / 1_000} s; nothing was deployed`;
  throw baseErrors.make("SOCKET_E_TIMEOUT", message, { where: socket });
}
