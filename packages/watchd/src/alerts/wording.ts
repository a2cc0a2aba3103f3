/* How what an entry says is put to a person. */

/** What agents and others have said may be anything: one line of bounded length comes of it. */
export function sentence(value: unknown): string {
  if (value === undefined || value === null) return "";
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return text.replace(/[\p{Cc}\u2028\u2029]+/gu, " ").slice(0, 500);
}

/** @param ms what an entry has: a number of milliseconds, if all is well */
export function duration(ms: unknown): string {
  if (typeof ms !== "number" || !Number.isFinite(ms)) return sentence(ms);
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 120_000) return `${Math.round(ms / 100) / 10} s`;
  return `${Math.round(ms / 60_000)} min`;
}

/** How a process has ended; "" where an entry does not say. */
export function exitText(exit: unknown): string {
  const field = (key: string): unknown =>
    typeof exit === "object" && exit !== null ? Reflect.get(exit, key) : undefined;
  switch (field("kind")) {
    case "exit":
      return `exit code ${sentence(field("code"))}`;
    case "signal":
      return signalText(sentence(field("signal")), field("sentBy"), field("core"));
    case "watchdog":
      return "ended by systemd: its heartbeat had stopped";
    case "stopped":
      return "stopped through systemd";
    case "unknown":
      return "nobody saw how";
    default:
      return sentence(exit);
  }
}

function signalText(signal: string, sentBy: unknown, core: unknown): string {
  if (sentBy === "oom-killer") return `killed by ${signal}, for want of memory`;
  if (sentBy === "systemd") return `killed by ${signal}: it was too slow for systemd's time limits`;
  return `killed by ${signal}${core === true ? " (core dumped)" : ""}`;
}
