import { Schema } from "effect";
import {
  absolutePath,
  absolutePathProblem,
  choice,
  duration,
  secretFile,
  size,
  text,
  word,
} from "./codecs.ts";
import { stopSignals } from "./manifest.ts";
import { defaulted, optional, required } from "./option.ts";
import { attributeProblem, directoryProblem, innerPathProblem } from "./references.ts";

/* What agents and routines have in common: a program, what it is given, and how it is limited and stopped. */

const PackageReferenceSchema = Schema.Struct({
  ref: Schema.Literal("nixpkg"),
  attribute: required(text("a string", attributeProblem), {
    description: "Dotted path of the package below pkgs.",
    example: "nodejs_24",
  }),
  path: required(text("a string", innerPathProblem), {
    description: "File in the package.",
    example: "bin/node",
  }),
});

const SourceReferenceSchema = Schema.Struct({
  ref: Schema.Literal("source"),
  directory: required(text("a string", directoryProblem), {
    description: "Directory of code, from the fleet file on. All of it becomes a part of the generation.",
    example: "./enricher",
  }),
  file: required(text("a string", innerPathProblem), {
    description: "File in the directory.",
    example: "main.js",
  }),
});

const references = [PackageReferenceSchema, SourceReferenceSchema] as const;

const WordSchema = Schema.Union([word, ...references]).annotate({
  expected: "a string, nixpkg(...) or source(...)",
});

const program = text(
  "a string",
  (path) =>
    absolutePathProblem(path) === undefined
      ? undefined
      : "the program must be nixpkg(...), source(...) or an absolute path",
  { pattern: "/.*" },
);

const ProgramSchema = Schema.Union([program, ...references]).annotate({
  expected: "nixpkg(...), source(...) or an absolute path",
});

const CommandSchema = Schema.TupleWithRest(Schema.Tuple([ProgramSchema]), [WordSchema]).annotate({
  expected: "a list: the program, then its arguments",
});

const EnvironmentSchema = Schema.Record(Schema.String, WordSchema).annotate({
  expected: "an object of variables",
});

/** What an agent runs with when restarting it as it is has not helped. */
export const FallbackSchema = Schema.Struct({
  command: optional(CommandSchema, {
    description: "The program and its arguments. Without it: the agent's own.",
  }),
  environment: defaulted(EnvironmentSchema, {
    description: "Variables that are set beside the agent's own, and in place of those of the same name.",
    default: {},
    example: { SAFE_MODE: "1" },
  }),
}).annotate({ expected: "an object" });

/** What is run. */
export function programFields(noun: "agent" | "routine") {
  return {
    command: required(CommandSchema, {
      description: `The program and its arguments. The program is a file of a package, of the ${noun}'s own code, or of the host.`,
      example: [
        { ref: "nixpkg", attribute: "nodejs_24", path: "bin/node" },
        { ref: "source", directory: "./enricher", file: "main.js" },
      ],
    }),
    environment: defaulted(EnvironmentSchema, {
      description:
        "Environment variables. Not for secrets: the values are in generated files and in the store; see `credentials`.",
      default: {},
      example: { LOG_LEVEL: "info" },
    }),
    workingDirectory: optional(absolutePath, {
      description: `Directory in which the program starts. Without it: the ${noun}'s own state directory.`,
      example: "/srv/enricher",
    }),
    credentials: defaulted(
      Schema.Record(Schema.String, secretFile).annotate({ expected: "an object of absolute paths" }),
      {
        description:
          "Secrets: name in $CREDENTIALS_DIRECTORY -> file on the host. Only the path is ever written down.",
        default: {},
        example: { API_KEY: "/run/secrets/enricher-api-key" },
      },
    ),
  };
}

/** How a running process is limited and stopped. */
export function processFields(noun: "agent" | "routine") {
  return {
    limits: defaulted(
      Schema.Struct({
        memory: optional(size("1MiB", "1024TiB"), {
          description: `Memory of all processes of the ${noun} together. Without it: no limit.`,
          example: "512MiB",
        }),
      }).annotate({ expected: "an object" }),
      { description: "Limits that the system enforces.", default: {} },
    ),
    stop: defaulted(
      Schema.Struct({
        signal: defaulted(choice(stopSignals), {
          description: `Signal that asks the ${noun} to stop.`,
          default: "SIGTERM",
        }),
        grace: defaulted(duration("1ms", "1h"), {
          description: "Time from that signal to SIGKILL.",
          default: "30s",
        }),
      }).annotate({ expected: "an object" }),
      { description: `How the ${noun} is stopped.`, default: {} },
    ),
  };
}
