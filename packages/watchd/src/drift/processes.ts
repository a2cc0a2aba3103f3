import type { Difference } from "./difference.ts";
import { discreetWords } from "./discreet.ts";

export interface DeclaredProcess {
  readonly agent: string;
  readonly runId: string;
  readonly command: readonly string[];
  /** The program with every link in its path followed; null where it is not there. */
  readonly program: string | null;
  /** Null where it is nobody's business. */
  readonly uid: number | null;
}

export interface ObservedProcess {
  readonly argv: readonly string[];
  /** What the process executes; null where that cannot be told. */
  readonly executable: string | null;
  /** The effective one; null where it was not looked at. */
  readonly uid: number | null;
}

/**
 * Programs may give themselves another title, and wrappers execute another program in their place: neither is drift. Different
 * arguments for the declared program are, and so is a program that has nothing of what is declared.
 *
 * @param belongs whether an executable is one of the agent's own, to which a wrapper may have handed over.
 */
export function processDifference(
  declared: DeclaredProcess,
  observed: ObservedProcess,
  belongs: (executable: string) => boolean,
): Difference | null {
  const sameUser = declared.uid === null || declared.uid === observed.uid;
  const sameCommand = runsAsDeclared(declared, observed, belongs);
  if (sameUser && sameCommand) return null;
  const lines = (words: readonly string[], uid: number | null) => [
    ...(sameCommand ? [] : [`command ${discreetWords(words, declared.command).join(" ")}`]),
    ...(sameUser ? [] : [`user ${uid}`]),
  ];
  return {
    kind: "process",
    at: declared.agent,
    declared: lines(declared.command, declared.uid),
    observed: lines(observed.argv, observed.uid),
    remedy: { kind: "restart", agent: declared.agent, runId: declared.runId },
  };
}

function runsAsDeclared(
  { command, program }: DeclaredProcess,
  { argv, executable }: ObservedProcess,
  belongs: (executable: string) => boolean,
): boolean {
  const [name = "", ...args] = command;
  if (executable !== null && executable !== program) {
    // A script or a wrapper has handed over, to INTERPRETER [OPTION] SCRIPT ARGUMENTS (execve(2)) or with options of its own.
    return belongs(executable) && (!argv.includes(name) || holds(argv, args));
  }
  // It has another title than it was started under.
  if (argv[0] !== name) return executable !== null || argv.includes(name);
  return argv.length === command.length && holds(argv, args);
}

/** Whether `part` is in `words` without gaps. */
function holds(words: readonly string[], part: readonly string[]): boolean {
  return words.some((_, from) => part.every((word, index) => word === words[from + index]));
}
