import { isAbsolute, join, normalize, relative, resolve } from "node:path";
import {
  type AgentSpec,
  type BackoffPolicy,
  formatDuration,
  formatSize,
  type RoutineSpec,
  type Word,
} from "@daruma/config";
import {
  type NixDirectory,
  type NixExpression,
  nixList,
  nixNull,
  nixNumber,
  nixPackageFile,
  nixSet,
  nixSourceFile,
  nixString,
} from "./nix-expression.ts";
import { storeName } from "./store-name.ts";

/* What agents and routines have in common, in Nix. */

/** Where the files are that sources are relative to, and the file that will refer to them. Both absolute. */
export interface Places {
  /** The directory of the fleet file. */
  readonly configDirectory: string;
  /** The directory of the generated file. */
  readonly fileDirectory: string;
}

/** What is run. */
export function programSettings(
  program: AgentSpec | RoutineSpec,
  places: Places,
): Record<string, NixExpression> {
  return {
    command: nixList(program.command.map((word) => wordExpression(word, places))),
    environment: nixSet(mapSorted(program.environment, (word) => wordExpression(word, places))),
    workingDirectory: program.workingDirectory === null ? nixNull : nixString(program.workingDirectory),
    credentials: nixSet(mapSorted(program.credentials, nixString)),
  };
}

/** How it is limited and stopped. */
export function processSettings({ limits, stop }: AgentSpec | RoutineSpec): Record<string, NixExpression> {
  return {
    limits: nixSet({
      memory: limits.memoryBytes === null ? nixNull : nixString(formatSize(limits.memoryBytes)),
    }),
    stop: nixSet({
      signal: nixString(stop.signal),
      grace: nixString(formatDuration(stop.graceMs)),
    }),
  };
}

export function backoffExpression(backoff: BackoffPolicy): NixExpression {
  return nixSet({
    kind: nixString(backoff.kind ?? "exponential"),
    initial: nixString(formatDuration(backoff.initialMs)),
    factor: nixNumber(backoff.factor),
    max: nixString(formatDuration(backoff.maxMs)),
    jitter: nixNumber(backoff.jitter),
  });
}

export function wordExpression(word: Word, places: Places): NixExpression {
  if (typeof word === "string") return nixString(word);
  if (word.ref === "nixpkg") return nixPackageFile(word.attribute, word.path);
  return nixSourceFile(nixDirectory(word.directory, places), storeName(word.directory), word.file);
}

export function nixDirectory(directory: string, places: Places): NixDirectory {
  if (isAbsolute(directory)) return { absolute: join("/", normalize(directory)) };
  const path = relative(places.fileDirectory, resolve(places.configDirectory, directory));
  const parts = path.split("/").filter((part) => part !== "");
  const up = parts.filter((part) => part === "..").length;
  return { up, below: parts.slice(up).join("/") };
}

/** In code unit order, so that the output does not depend on the order in the fleet file. */
export function mapSorted<T>(
  record: Readonly<Record<string, T>>,
  map: (value: T, key: string) => NixExpression,
): Record<string, NixExpression> {
  const entries = Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, value]) => [key, map(value, key)]));
}
