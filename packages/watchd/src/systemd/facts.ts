/** What systemd says of a unit: the properties that the adapter asks for, as `systemctl show` prints them. */
export interface UnitFacts {
  readonly unit: string;
  /** "" where it has not been started since it was loaded. systemd.exec(5), `$INVOCATION_ID`. */
  readonly invocation: string;
  readonly activeState: string;
  readonly subState: string;
  /** systemd.exec(5), `$SERVICE_RESULT`. */
  readonly result: string;
  /** 0 once the main process is gone. */
  readonly mainPid: number;
  /** The last main process, alive or not. */
  readonly execMainPid: number;
  /** A CLD_* number of waitid(2), 0 while the main process runs. */
  readonly execMainCode: number;
  readonly execMainStatus: number;
  /** Microseconds on CLOCK_MONOTONIC. */
  readonly startedMonotonicUs: number;
  /** The same for its end; 0 while the main process runs. */
  readonly exitedMonotonicUs: number;
  /** Below the root of the cgroup file system; "" while there is none. */
  readonly controlGroup: string;
  /** Digest of the definition that systemd has loaded; "" where the unit is none of ours. */
  readonly digest: string;
  /** False where a condition of the unit kept it from being started. */
  readonly conditionHeld: boolean;
  readonly needsReload: boolean;
}

export const factProperties = [
  "Id",
  "InvocationID",
  "ActiveState",
  "SubState",
  "Result",
  "MainPID",
  "ExecMainPID",
  "ExecMainCode",
  "ExecMainStatus",
  "ExecMainStartTimestampMonotonic",
  "ExecMainExitTimestampMonotonic",
  "ControlGroup",
  "LogExtraFields",
  "ConditionResult",
  "NeedDaemonReload",
] as const;

/** `systemctl show` of several units: blocks of NAME=VALUE lines, an empty line between two. */
export function parseFacts(text: string): readonly UnitFacts[] {
  return text
    .split(/\n\n+/)
    .filter((block) => block.trim() !== "")
    .map((block) => factsOf(valuesOf(block)));
}

function valuesOf(block: string): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  for (const line of block.split("\n")) {
    const at = line.indexOf("=");
    if (at > 0) values.set(line.slice(0, at), line.slice(at + 1));
  }
  return values;
}

function factsOf(values: ReadonlyMap<string, string>): UnitFacts {
  const text = (name: (typeof factProperties)[number]) => values.get(name) ?? "";
  const number = (name: (typeof factProperties)[number]) => Number(values.get(name) ?? 0) || 0;
  return {
    unit: text("Id"),
    invocation: text("InvocationID"),
    activeState: text("ActiveState"),
    subState: text("SubState"),
    result: text("Result"),
    mainPid: number("MainPID"),
    execMainPid: number("ExecMainPID"),
    execMainCode: number("ExecMainCode"),
    execMainStatus: number("ExecMainStatus"),
    startedMonotonicUs: number("ExecMainStartTimestampMonotonic"),
    exitedMonotonicUs: number("ExecMainExitTimestampMonotonic"),
    controlGroup: text("ControlGroup"),
    digest: /(?:^| )DARUMA_DIGEST=([0-9a-f]+)(?: |$)/.exec(text("LogExtraFields"))?.[1] ?? "",
    conditionHeld: text("ConditionResult") !== "no",
    needsReload: text("NeedDaemonReload") === "yes",
  };
}

/** Whether the unit's main process is there. What it leaves behind when it ends is for systemd to clear away. */
export function isAlive(facts: UnitFacts): boolean {
  return facts.invocation !== "" && facts.mainPid > 0;
}

/** systemd has it down as failed and waits for RestartSec= to pass before it starts it again by itself. */
export function awaitsRestart(facts: UnitFacts): boolean {
  return facts.activeState === "activating" && facts.subState.startsWith("auto-restart");
}

/** Whether anything of the unit is there, be it only on its way out. */
export function hasProcesses(facts: UnitFacts): boolean {
  return (
    !awaitsRestart(facts) && ["active", "activating", "reloading", "deactivating"].includes(facts.activeState)
  );
}
