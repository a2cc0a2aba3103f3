import { defineErrors, exitCode } from "@daruma/base";

export const compileErrors = defineErrors({
  COMPILE_E_CONFIG_MISSING: {
    summary: "The fleet file does not exist or cannot be read.",
    remedy: "Run the command where fleet.config.ts is, or name the file with --config.",
    exit: exitCode.error,
  },
  COMPILE_E_CONFIG_SYNTAX: {
    summary: "The fleet file, or a file that it imports, does not parse.",
    remedy:
      "Correct the place named. Types are stripped, not compiled: enums, namespaces and parameter properties do not work.",
    exit: exitCode.error,
  },
  COMPILE_E_CONFIG_IMPORT: {
    summary: "The fleet file, or a file that it imports, imports something that does not exist.",
    remedy:
      "Correct the import; relative imports need their file ending, packages have to be installed beside the fleet.",
    exit: exitCode.error,
  },
  COMPILE_E_CONFIG_THREW: {
    summary: "The fleet file threw an error while it was evaluated.",
    remedy: "Correct the place named; it is code of the fleet, not of Daruma.",
    exit: exitCode.error,
  },
  COMPILE_E_CONFIG_EXPORT: {
    summary: "The fleet file does not export a fleet as its default export.",
    remedy: "Write `export default defineFleet({ hosts: { … } })`.",
    exit: exitCode.error,
  },
  COMPILE_E_CONFIG_TIMEOUT: {
    summary: "The fleet file did not finish in time and was stopped.",
    remedy: "Look for an endless loop, or for a network request or child process that the file waits for.",
    exit: exitCode.error,
  },
  COMPILE_E_CONFIG_EXITED: {
    summary: "The evaluation of the fleet file ended before there was a fleet.",
    remedy:
      "Look for process.exit(), for an `await` of something that never happens, and for running out of memory.",
    exit: exitCode.error,
  },
  COMPILE_E_SOURCE: {
    summary: "A source() names a directory or file that does not exist or cannot be deployed.",
    remedy: "Correct each source listed; directories are relative to the fleet file.",
    exit: exitCode.error,
  },
  CHECK_E_FAILED: {
    summary: "`agentctl check` found something wrong with a fleet.",
    remedy:
      "Correct each problem listed; every one has a code: those of TypeScript begin with TS, docs/reference/errors.md explains the others.",
    exit: exitCode.error,
  },
  CHECK_E_NIX: {
    summary: "Nix does not read a generated file. This is a bug of Daruma, or the file was changed by hand.",
    remedy: "Run `agentctl compile`; if that does not help, report what Nix says.",
    exit: exitCode.error,
  },
  COMPILE_E_REVISION: {
    summary:
      "An earlier state of the fleet cannot be had: no Git, no repository, no such commit, or no fleet file in it that is right.",
    remedy:
      "Run the command in a Git repository, and name a commit, tag or branch whose fleet file compiles.",
    exit: exitCode.error,
  },
  COMPILE_E_TEXT: {
    summary: "A text cannot be written in Nix: it contains NUL or half of a surrogate pair.",
    remedy: "Replace the text named in the message.",
    exit: exitCode.error,
  },
  COMPILE_E_FOREIGN: {
    summary: "A file that would be generated exists already and was not written by agentctl.",
    remedy: "Move the file away, or choose another directory with --out.",
    exit: exitCode.error,
  },
  COMPILE_E_OUT: {
    summary: "The directory for generated files cannot be read or written.",
    remedy: "Check that it is a directory and that you may write there, or choose another with --out.",
    exit: exitCode.error,
  },
  COMPILE_E_STALE: {
    summary: "Generated files do not match the fleet file.",
    remedy: "Run `agentctl compile` and commit what it writes.",
    exit: exitCode.error,
  },
});
