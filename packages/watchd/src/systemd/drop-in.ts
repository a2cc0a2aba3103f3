import { join } from "node:path";
import type { StandInKind } from "../policy/settings.ts";
import { unitOf } from "./site.ts";

/*
 * The drop-in by which other settings than the declared ones are in force for an agent. Its first line is
 *
 *     # daruma-stand-in 1 KIND DECLARED GENERATION
 *
 * KIND: `fallback` or `earlier`. DECLARED: digest of what the current generation declares of the agent, and for which alone the
 * drop-in was made. GENERATION: store path of the generation that has the settings. stand-ins.sh reads it too.
 */

/** Whoever compares units with their generation has to leave this one out. */
export const dropInName = "50-daruma.conf";

/** Where systemd finds it: in memory, gone with the boot. */
export function dropInOf(agent: string, runtimeUnits = "/run/systemd/system"): string {
  return join(runtimeUnits, `${unitOf(agent)}.d`, dropInName);
}

export interface DropIn {
  readonly kind: StandInKind;
  readonly declared: string;
  readonly generation: string;
}

export function printDropIn({ kind, declared, generation }: DropIn, settings: string): string {
  return `# daruma-stand-in 1 ${kind} ${declared} ${generation}\n# See \`agentctl status\` and \`agentctl explain-rollback\`.\n${settings}`;
}

/** Null for a text that is none of ours. */
export function readDropIn(text: string): DropIn | null {
  const [, kind, declared, generation] =
    /^# daruma-stand-in 1 (fallback|earlier) ([^ \n]+) (\/[^ \n]+)\n/.exec(text) ?? [];
  if (declared === undefined || generation === undefined) return null;
  return { kind: kind === "fallback" ? "fallback" : "earlier", declared, generation };
}

/** Settings that may stand several times in a section, or that add to what was said before: the empty one takes all away. */
const lists: ReadonlySet<string> = new Set([
  "BindPaths",
  "BindReadOnlyPaths",
  "CapabilityBoundingSet",
  "Environment",
  "ExecStart",
  "ExecStartPre",
  "ExecStop",
  "ExecStopPost",
  "IPAddressAllow",
  "IPAddressDeny",
  "InaccessiblePaths",
  "LoadCredential",
  "LogExtraFields",
  "ReadWritePaths",
  "RestartForceExitStatus",
  "RestartPreventExitStatus",
  "RestrictAddressFamilies",
  "StateDirectory",
  "SuccessExitStatus",
  "SystemCallFilter",
  "TemporaryFileSystem",
]);

/** What systemd takes for nothing said, where it does not take the empty text for that. */
const unset: Readonly<Record<string, string>> = {
  NotifyAccess: "none",
  WatchdogSec: "0",
  WatchdogSignal: "SIGABRT",
};

/**
 * Settings that make of the unit `now` what the unit `then` is. Both are whole texts of units from one and the same host, whose
 * sections differ by what the agent declares alone.
 *
 * @throws a plain error where the units differ in what a drop-in cannot change: what they depend on
 */
export function settingsBack(now: string, then: string): string {
  const [before, wanted] = [sectionsOf(now), sectionsOf(then)];
  if (JSON.stringify([...settingsIn(before, "Unit")]) !== JSON.stringify([...settingsIn(wanted, "Unit")]))
    throw new Error("the two units depend on different things, which a drop-in cannot change");
  const [current, earlier] = [settingsIn(before, "Service"), settingsIn(wanted, "Service")];
  const keys = [...new Set([...current.keys(), ...earlier.keys()])].sort();
  const lines = keys.flatMap((key) => {
    const [is, was = []] = [current.get(key), earlier.get(key)];
    if (JSON.stringify(is) === JSON.stringify(earlier.get(key))) return [];
    if (was.length === 0) return [`${key}=${unset[key] ?? ""}`];
    const isList = lists.has(key) || was.length > 1 || (is?.length ?? 0) > 1;
    return [...(isList ? [`${key}=`] : []), ...was.map((value) => `${key}=${value}`)];
  });
  return `[Service]\n${lines.map((line) => `${line}\n`).join("")}`;
}

type Sections = ReadonlyMap<string, ReadonlyMap<string, readonly string[]>>;

function settingsIn(sections: Sections, name: string): ReadonlyMap<string, readonly string[]> {
  return sections.get(name) ?? new Map();
}

/** Units of ours, and what NixOS makes of them, have no continued lines. */
function sectionsOf(text: string): Sections {
  const sections = new Map<string, Map<string, string[]>>();
  let section = new Map<string, string[]>();
  for (const line of text.split("\n")) {
    const heading = /^\[(.+)\]$/.exec(line)?.[1];
    if (heading !== undefined) {
      section = sections.get(heading) ?? new Map();
      sections.set(heading, section);
    }
    const [, key, value] = /^([A-Za-z-]+)=(.*)$/.exec(line) ?? [];
    if (key === undefined || value === undefined) continue;
    section.set(key, [...(section.get(key) ?? []), value]);
  }
  return sections;
}
