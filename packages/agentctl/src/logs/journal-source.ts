import { spawn } from "node:child_process";
import { once } from "node:events";
import { messageOf } from "@daruma/base";
import { agentctlErrors } from "../catalogue.ts";
import { informational, type LogSource, type SourceLine, type SourceQuery } from "./log-line.ts";

const unitPattern = /^daruma-agent-([a-z][a-z0-9-]*)\.service$/;
/** Of what journalctl complains. */
const longestComplaint = 4_000;

/**
 * The journal of a host, through journalctl. By `_SYSTEMD_UNIT`, which journald itself adds: a field that an agent sends, it could
 * send in another's name.
 */
export function journalSource(program = "journalctl"): LogSource {
  return (query) => lines(program, query);
}

async function* lines(program: string, query: SourceQuery): AsyncGenerator<SourceLine, void, undefined> {
  const child = spawn(program, argumentsOf(query), { stdio: ["ignore", "pipe", "pipe"] });
  const end = () => child.kill();
  query.signal.addEventListener("abort", end, { once: true });
  let complaint = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    complaint = `${complaint}${text}`.slice(0, longestComplaint);
  });
  const ended = once(child, "close").catch((error) => {
    complaint = messageOf(error);
    return [null];
  });
  try {
    let rest = "";
    for await (const chunk of child.stdout.setEncoding("utf8")) {
      const all = `${rest}${chunk}`.split("\n");
      rest = all.pop() ?? "";
      for (const text of all) {
        const line = lineOf(text);
        if (line !== null) yield line;
      }
    }
    query.signal.throwIfAborted();
    const [code] = await ended;
    if (code !== 0)
      throw agentctlErrors.make("LOGS_E_JOURNAL", `journalctl: ${complaint.trim() || `exit code ${code}`}`);
  } finally {
    query.signal.removeEventListener("abort", end);
    child.kill();
  }
}

function argumentsOf({ agent, after, sinceMs, untilMs, newest, follow }: SourceQuery): readonly string[] {
  const at = (ms: number) => `@${(ms / 1000).toFixed(6)}`;
  return [
    ...["--output=json", "--all", "--no-pager", "--quiet"],
    ...(after === undefined ? [] : [`--after-cursor=${after}`]),
    ...(sinceMs === undefined ? [] : [`--since=${at(sinceMs)}`]),
    ...(untilMs === undefined ? [] : [`--until=${at(untilMs)}`]),
    ...(newest === undefined ? (follow ? ["--no-tail"] : []) : [`--lines=${newest}`]),
    ...(follow ? ["--follow"] : []),
    `_SYSTEMD_UNIT=daruma-agent-${agent}.service`,
  ];
}

/** systemd.journal-fields(7). Null for what is no line of an agent. */
export function lineOf(text: string): SourceLine | null {
  let fields: Readonly<Record<string, unknown>>;
  try {
    fields = Object(JSON.parse(text));
  } catch {
    return null;
  }
  const [, agent] = unitPattern.exec(String(fields._SYSTEMD_UNIT)) ?? [];
  const cursor = fields.__CURSOR;
  const timeUs = Number(fields.__REALTIME_TIMESTAMP);
  if (agent === undefined || typeof cursor !== "string" || !Number.isSafeInteger(timeUs)) return null;
  const severity = Number(fields.PRIORITY ?? informational);
  return {
    agent,
    timeUs,
    run: null,
    invocation: typeof fields._SYSTEMD_INVOCATION_ID === "string" ? fields._SYSTEMD_INVOCATION_ID : null,
    severity: severity >= 0 && severity <= 7 ? severity : informational,
    message: messageIn(fields.MESSAGE),
    cursor,
  };
}

/** What is no UTF-8, or has control characters in it, journalctl gives as a list of bytes. */
function messageIn(message: unknown): string {
  if (typeof message === "string") return message;
  if (!Array.isArray(message)) return "";
  const bytes = message.every((each) => Number.isInteger(each)) ? message : [];
  return Buffer.from(bytes).toString("utf8");
}
