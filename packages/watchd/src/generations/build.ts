import { resolve } from "node:path";
import { canonicalize, type JsonValue, type Problem } from "@daruma/base";
import {
  type AgentManifest,
  type AgentSpec,
  agentEgress,
  type HostManifest,
  type HostSpec,
  hostProxyPorts,
  type PackageReference,
  type RoutineManifest,
  type RoutineSpec,
  routineSubject,
  type SourceReference,
  type Word,
} from "@daruma/config";
import { watchdErrors } from "../catalogue.ts";
import { fillGeneration } from "./closure.ts";
import {
  agentDigest,
  fallbackDigest,
  hostDigest,
  type ResolvedAgent,
  type ResolvedRoutine,
  type ResolvedWord,
  routineDigest,
} from "./digests.ts";
import { exists, prepareLayout, safeName } from "./layout.ts";
import type { ResolveProgram } from "./programs.ts";
import { addSource, sourceDirectory } from "./sources.ts";
import { addToStore } from "./store.ts";

export interface BuildRequest {
  /** The directory of generations; made if it is not there. */
  readonly root: string;
  readonly spec: HostSpec;
  /** What relative `source()` directories are relative to. */
  readonly configDir: string;
  readonly resolveProgram: ResolveProgram;
}

export interface Build {
  /** Store path, ready to be deployed. */
  readonly path: string;
  readonly manifest: HostManifest;
  /** What each `nixpkg()` was taken for: outside Nix, a program on PATH. */
  readonly programs: readonly {
    readonly attribute: string;
    readonly path: string;
    readonly program: string;
  }[];
  readonly warnings: readonly string[];
}

/**
 * Turns a host of a fleet into a store path: sources copied, programs looked up, everything named by real paths and with
 * its digest. The same input gives the same path.
 *
 * @throws GENERATION_E_PROGRAM_NOT_FOUND, GENERATION_E_SOURCE (each with all problems of its kind), GENERATION_E_CORRUPT,
 *   GENERATION_E_WRITE
 */
export async function buildGeneration(request: BuildRequest): Promise<Build> {
  const layout = await prepareLayout(request.root);
  const uses = wordsOf(request.spec);
  const programs = await findPrograms(uses, request.resolveProgram);
  const directories = await findSources(uses, request.configDir);
  const sources = new Map<string, string>();
  const warnings: string[] = [...unwatchedHeartbeats(request.spec)];
  for (const directory of new Set(directories.values())) {
    const stored = await addSource(layout, directory);
    sources.set(directory, stored.name);
    warnings.push(...stored.warnings);
  }
  const settle = (word: Word): ResolvedWord => {
    if (typeof word === "string") return { text: word, identity: word };
    if (word.ref === "nixpkg") {
      const program = known(programs, packageKey(word)).program;
      return { text: program, identity: program };
    }
    const name = known(sources, known(directories, word.directory));
    return { text: `${layout.store}/${name}/${word.file}`, identity: { source: name, file: word.file } };
  };
  const manifest = manifestOf(request.spec, layout.store, settle);
  const name = await addToStore(layout, `daruma-${safeName(request.spec.host)}`, (directory) =>
    fillGeneration(
      directory,
      `${canonicalize(manifest as object as JsonValue)}\n`,
      [...sources.values()].sort(),
    ),
  );
  return { path: `${layout.store}/${name}`, manifest, programs: [...programs.values()], warnings };
}

/** Node has no datagram sockets of Unix, in which sd_notify(3) speaks. */
function unwatchedHeartbeats({ agents }: HostSpec): readonly string[] {
  return Object.entries(agents)
    .filter(([, { heartbeat }]) => heartbeat?.through === "notify")
    .map(
      ([name]) =>
        `agent ${name}: a heartbeat through "notify" is watched by systemd on a host, and by nobody here; "http" is in both places`,
    );
}

interface Use {
  /** In the fleet file. */
  readonly path: string;
  readonly word: Word;
}

function wordsOf(spec: HostSpec): Use[] {
  const programs = (["agents", "routines"] as const).flatMap((kind) =>
    Object.entries<AgentSpec | RoutineSpec>(spec[kind]).map(
      ([name, program]) => [`hosts.${spec.host}.${kind}.${name}`, program] as const,
    ),
  );
  const fallbacks = Object.entries(spec.agents).flatMap(([name, { fallback }]) =>
    fallback === undefined ? [] : [[`hosts.${spec.host}.agents.${name}.fallback`, fallback] as const],
  );
  return [...programs, ...fallbacks].flatMap(([at, { command, environment }]) => {
    return [
      ...command.map((word, index) => ({ path: `${at}.command[${index}]`, word })),
      ...Object.entries(environment).map(([name, word]) => ({ path: `${at}.environment.${name}`, word })),
    ];
  });
}

function manifestOf(spec: HostSpec, root: string, settle: (word: Word) => ResolvedWord): HostManifest {
  // Each state directory has ports of its own: several may run on one machine.
  const ports = hostProxyPorts(spec, root);
  return {
    schemaVersion: 1,
    host: spec.host,
    system: spec.system,
    hostDigest: hostDigest(spec),
    watchdog: spec.watchdog,
    ...(spec.drift === undefined ? {} : { drift: spec.drift }),
    agents: Object.fromEntries(
      Object.entries(spec.agents).map(([name, agent]) => {
        const command = agent.command.map(settle);
        const environment = mapValues(agent.environment, settle);
        const egress = agentEgress(spec.egress, agent.egress);
        const fallback = agent.fallback === undefined ? null : mapProgram(agent.fallback, settle);
        const resolved = { spec: agent, egress, command, environment, fallback };
        return [name, manifestOfAgent(resolved, ports.get(name))];
      }),
    ),
    routines: Object.fromEntries(
      Object.entries(spec.routines).map(([name, routine]) => {
        const command = routine.command.map(settle);
        const environment = mapValues(routine.environment, settle);
        const egress = agentEgress(spec.egress, routine.egress);
        const resolved = { spec: routine, egress, command, environment };
        return [name, manifestOfRoutine(resolved, ports.get(routineSubject(name)))];
      }),
    ),
    ...(spec.alerts === null ? {} : { alerts: spec.alerts }),
  };
}

function manifestOfAgent(agent: ResolvedAgent, port: number | undefined): AgentManifest {
  const { fallback: _, ...spec } = agent.spec;
  return {
    ...spec,
    egress: agent.egress === null || port === undefined ? null : { ...agent.egress, port },
    digest: agentDigest(agent),
    command: agent.command.map((word) => word.text),
    environment: mapValues(agent.environment, (word) => word.text),
    ...(agent.fallback === null
      ? {}
      : { fallback: { digest: fallbackDigest(agent), ...mapProgram(agent.fallback, (word) => word.text) } }),
  };
}

function mapProgram<T, R>(
  {
    command,
    environment,
  }: { readonly command: readonly T[]; readonly environment: Readonly<Record<string, T>> },
  map: (word: T) => R,
): { readonly command: R[]; readonly environment: Record<string, R> } {
  return { command: command.map(map), environment: mapValues(environment, map) };
}

function manifestOfRoutine(routine: ResolvedRoutine, port: number | undefined): RoutineManifest {
  return {
    ...routine.spec,
    egress: routine.egress === null || port === undefined ? null : { ...routine.egress, port },
    digest: routineDigest(routine),
    command: routine.command.map((word) => word.text),
    environment: mapValues(routine.environment, (word) => word.text),
  };
}

async function findPrograms(uses: readonly Use[], resolveProgram: ResolveProgram) {
  const programs = new Map<string, Build["programs"][number]>();
  const problems: Problem[] = [];
  for (const { path, word } of uses) {
    if (!isPackage(word) || programs.has(packageKey(word))) continue;
    const { attribute } = word;
    const wanted = /^s?bin\/([^/]+)$/.exec(word.path)?.[1];
    const program = wanted === undefined ? null : await resolveProgram(wanted);
    if (program !== null) programs.set(packageKey(word), { attribute, path: word.path, program });
    else if (wanted === undefined) {
      const message = `outside Nix only programs in bin/ can be found, not ${word.path} of ${attribute}`;
      problems.push({ path, message });
    } else problems.push({ path, message: `the program ${wanted} (of ${attribute}) is not on PATH` });
  }
  if (problems.length === 0) return programs;
  throw watchdErrors.make("GENERATION_E_PROGRAM_NOT_FOUND", summary(problems), { problems });
}

/** For each directory as it is written in the fleet file, the real one. */
async function findSources(uses: readonly Use[], configDir: string): Promise<Map<string, string>> {
  const directories = new Map<string, string>();
  const problems: Problem[] = [];
  for (const { path, word } of uses) {
    if (!isSource(word)) continue;
    const found = await sourceDirectory(resolve(configDir, word.directory));
    if ("problem" in found) problems.push({ path, message: found.problem });
    else if (await exists(`${found.directory}/${word.file}`))
      directories.set(word.directory, found.directory);
    else problems.push({ path, message: `${found.directory} has no file ${word.file}` });
  }
  if (problems.length === 0) return directories;
  throw watchdErrors.make("GENERATION_E_SOURCE", summary(problems), { problems });
}

function summary(problems: readonly Problem[]): string {
  return problems.map(({ path, message }) => `${path}: ${message}`).join("; ");
}

function isPackage(word: Word): word is PackageReference {
  return typeof word !== "string" && word.ref === "nixpkg";
}

function isSource(word: Word): word is SourceReference {
  return typeof word !== "string" && word.ref === "source";
}

function packageKey({ attribute, path }: PackageReference): string {
  return `${attribute}/${path}`;
}

function mapValues<T, R>(record: Readonly<Record<string, T>>, map: (value: T) => R): Record<string, R> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value)]));
}

function known<K, V>(map: ReadonlyMap<K, V>, key: K): V {
  const value = map.get(key);
  if (value === undefined) throw new Error(`${String(key)} was not resolved`);
  return value;
}
