import { readFile } from "node:fs/promises";
import { systemCode } from "@daruma/base";

const verdicts = ["switched", "reboot-needed", "vetoed", "overtaken", "refused", "failed"] as const;

/** What the rollback program writes when it has ended; rollback.sh says what the verdicts mean. */
export interface RollbackResult {
  readonly id: string;
  readonly from: string;
  readonly target: string;
  /** Exit code of `switch-to-configuration boot`; null if it was not run. */
  readonly bootExit: number | null;
  readonly switchExit: number | null;
  /** Store path of the system that ran when it ended. */
  readonly currentAfter: string;
  readonly verdict: (typeof verdicts)[number];
  readonly problems: readonly string[];
  /** Unix time in milliseconds. */
  readonly finishedAt: number;
}

/** Null where there is no result; one that cannot be understood was written by another release, and says nothing. */
export async function readRollbackResult(file: string): Promise<RollbackResult | null> {
  try {
    return parseRollbackResult(await readFile(file, "utf8"));
  } catch (error) {
    if (systemCode(error) === "ENOENT") return null;
    throw error;
  }
}

export function parseRollbackResult(text: string): RollbackResult | null {
  const document = jsonOf(text);
  if (document?.schemaVersion !== 1) return null;
  const { id, from, target, bootExit, switchExit, currentAfter, problems, finishedAt } = document;
  const verdict = verdicts.find((each) => each === document.verdict);
  if (!isText(id) || !isText(from) || !isText(target) || !isText(currentAfter) || verdict === undefined)
    return null;
  if (!isExit(bootExit) || !isExit(switchExit) || typeof finishedAt !== "number") return null;
  if (!Array.isArray(problems) || !problems.every(isText)) return null;
  return { id, from, target, bootExit, switchExit, currentAfter, verdict, problems, finishedAt };
}

function jsonOf(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : null;
  } catch {
    return null;
  }
}

function isText(value: unknown): value is string {
  return typeof value === "string";
}

function isExit(value: unknown): value is number | null {
  return value === null || typeof value === "number";
}
