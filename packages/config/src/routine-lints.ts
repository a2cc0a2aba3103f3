import type { Problem } from "@daruma/base";
import { expressionsOf, parseSchedule } from "@daruma/schedule";
import { defaultWebhookListen } from "./manifest.ts";
import { formatPath, type Path, quoteName } from "./paths.ts";

/**
 * From when on a schedule has to be due at least once. A fixed time: what compiles today has to compile tomorrow, and the rarest
 * schedule is due again within 40 years.
 */
const from = Date.UTC(2024, 0, 1);

/** What is wrong with a routine's schedule and time zone: they cannot be read, or are never due. */
export function lintRoutineTimes(name: string, routine: unknown, path: Path): Problem[] {
  if (typeof routine !== "object" || routine === null) return [];
  const { schedule, timezone = "UTC" } = routine as { schedule?: unknown; timezone?: unknown };
  if (typeof timezone !== "string") return [];
  const at = (key: string) => formatPath([...path, key]);
  // A time zone is looked at without a schedule, too.
  const expression = typeof schedule === "string" ? schedule : "* * * * *";
  const parsed = parseSchedule(expression, { timezone, name });
  if (!parsed.ok) {
    return parsed.problems.map((each) => {
      if (each.path === "timezone") return { path: at("timezone"), message: each.message };
      const field = each.path === "expression" ? "" : `${each.path}: `;
      return { path: at("schedule"), message: `${field}${each.message}` };
    });
  }
  return expressionsOf(expression)
    .filter((each) => {
      const one = parseSchedule(each, { timezone, name });
      return one.ok && one.schedule.next(from) === null;
    })
    .map((each) => ({ path: at("schedule"), message: `${JSON.stringify(each)} is never due` }));
}

/** The names of a host that a routine may refer to. */
export interface KnownNames {
  readonly routines: ReadonlySet<string>;
  readonly agents: ReadonlySet<string>;
}

/** Routines and agents that a routine waits for, and that the host does not have. */
export function lintRoutineNames(routine: unknown, known: KnownNames, path: Path): Problem[] {
  const lists = [
    { at: ["after"], noun: "routine", names: known.routines },
    { at: ["on", "failed"], noun: "routine", names: known.routines },
    { at: ["on", "recovered"], noun: "agent", names: known.agents },
  ];
  return lists.flatMap(({ at, noun, names }) => {
    return itemsOf(at.reduce(get, routine)).flatMap((name, index) =>
      typeof name !== "string" || names.has(name)
        ? []
        : [
            {
              path: formatPath([...path, ...at, index]),
              message: `there is no ${noun} ${quoteName(name)} on this host`,
            },
          ],
    );
  });
}

/** Events that a routine would bring about itself, again and again. */
export function lintLoops(name: string, routine: unknown, path: Path): Problem[] {
  const message = "the routine would fire itself for ever";
  const own = [["after"], ["on", "failed"]].flatMap((at) =>
    itemsOf(at.reduce(get, routine)).flatMap((other, index) => (other === name ? [[...at, index]] : [])),
  );
  const entries = itemsOf(get(get(routine, "on"), "ledger")).flatMap((entry, index) => {
    const action = get(entry, "action");
    const subject = get(entry, "subject") ?? name;
    if (typeof action !== "string" || subject !== name) return [];
    const prefix = action.replace(/\*$/, "");
    const isOwn = action.startsWith("routine.") || (prefix !== action && "routine.".startsWith(prefix));
    return isOwn ? [["on", "ledger", index]] : [];
  });
  return [...own, ...entries].map((at) => ({ path: formatPath([...path, ...at]), message }));
}

function itemsOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** A path of a listener leads to one routine. */
export function sharedWebhooks(routines: readonly (readonly [string, unknown])[], path: Path): Problem[] {
  const taken = new Map<string, string>();
  return routines.flatMap(([name, routine]) => {
    const webhook = get(routine, "webhook");
    const at = get(webhook, "path");
    if (typeof at !== "string") return [];
    const key = `${String(get(webhook, "listen") ?? defaultWebhookListen)} ${at}`;
    const other = taken.get(key);
    taken.set(key, other ?? name);
    if (other === undefined) return [];
    const message = `the routine ${quoteName(other)} has the same one`;
    return [{ path: formatPath([...path, name, "webhook", "path"]), message }];
  });
}

function get(value: unknown, key: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, key) : undefined;
}
