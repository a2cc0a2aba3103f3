import { randomBytes } from "node:crypto";
import { type Handler, own } from "@daruma/base";
import type { RoutineManifest } from "@daruma/config";
import { watchdErrors } from "../catalogue.ts";
import type { RoutineEngine } from "./engine.ts";
import { requestRun } from "./requests.ts";
import type { RoutinesView } from "./runtime.ts";
import { routineDetails, routineStatus } from "./status.ts";

/** Of an input, before it is written down. The request that carries it, in Base64, is limited to 1 MiB. */
export const mostInputBytes = 700_000;

/** The requests about routines that watchd answers on its socket. */
export function routineRoutes(routines: RoutinesView): Readonly<Record<string, Handler>> {
  const view = (name: string) => {
    const [manifest, engine] = declared(routines, name);
    return { name, manifest, routine: engine.state.routines.get(name), now: routines.now() };
  };
  return {
    "GET /v1/routines": async () => ({
      schemaVersion: 1,
      routines: Object.keys(routines.declared)
        .sort()
        .map((name) => routineStatus(view(name))),
    }),
    "GET /v1/routine": async ({ query }) => ({
      schemaVersion: 1,
      routine: routineDetails(view(query.get("name") ?? ""), routines),
    }),
    "POST /v1/routines/run": ({ body }) => runNow(routines, body),
    "POST /v1/routines/pause": async ({ body }) => {
      const [name, engine] = named(routines, body);
      const [by, why] = [wordIn(body, "by"), wordIn(body, "why")];
      await engine.ask({ type: "pause", routine: name, by, why });
      return { schemaVersion: 1, routine: routineStatus(view(name)) };
    },
    "POST /v1/routines/stop": ({ body }) => stopRuns(routines, body),
    "POST /v1/routines/resume": async ({ body }) => {
      const [name, engine] = named(routines, body);
      await engine.ask({ type: "resume", routine: name, by: wordIn(body, "by") });
      return { schemaVersion: 1, routine: routineStatus(view(name)) };
    },
  };
}

async function runNow(routines: RoutinesView, body: unknown): Promise<object> {
  const [routine, engine] = named(routines, body);
  const [by, input] = [wordIn(body, "by"), inputIn(body)];
  const request = randomBytes(8).toString("hex");
  const event = { type: "run-now", routine, by, request } as const;
  const became = await requestRun({ stateDir: routines.stateDir, engine }, event, input);
  return { schemaVersion: 1, routine, ...became };
}

/** Answers once it is durable that they are to end; they may still run then. */
async function stopRuns(routines: RoutinesView, body: unknown): Promise<object> {
  const [routine, engine] = named(routines, body);
  const run = fieldIn(body, "run") === undefined ? null : wordIn(body, "run");
  const { records } = await engine.ask({ type: "stop", routine, run, by: wordIn(body, "by") });
  const asked = records.filter(
    ({ action, subject }) => action === "routine.stop-request" && subject === routine,
  );
  return { schemaVersion: 1, routine, runs: [...new Set(asked.flatMap((each) => each.run ?? []))] };
}

/** @throws WATCHD_E_UNKNOWN_ROUTINE */
function declared(routines: RoutinesView, name: string): readonly [RoutineManifest, RoutineEngine] {
  const { declared: all, engine } = routines;
  const manifest = own(all, name);
  // Declared a moment ago, it may not have been told to the core yet: to whoever asks, it is not there yet.
  if (manifest !== undefined && engine?.state.routines.get(name) !== undefined) return [manifest, engine];
  const names = Object.keys(all).sort().join(", ");
  throw watchdErrors.make("WATCHD_E_UNKNOWN_ROUTINE", `this generation has no routine ${name}`, {
    hint: names === "" ? "It has no routines at all." : `It has: ${names}.`,
  });
}

function named(routines: RoutinesView, body: unknown): readonly [string, RoutineEngine] {
  const name = wordIn(body, "routine");
  return [name, declared(routines, name)[1]];
}

function wordIn(body: unknown, key: string): string {
  const value = fieldIn(body, key);
  if (typeof value === "string" && value.length > 0 && value.length <= 1_000) return value;
  throw watchdErrors.make("WATCHD_E_BAD_REQUEST", `\`${key}\` must be a text of 1 to 1000 characters`);
}

function inputIn(body: unknown): Buffer | null {
  const value = fieldIn(body, "input") ?? null;
  if (value === null) return null;
  if (typeof value !== "string" || !/^[A-Za-z0-9+/]*={0,2}$/.test(value)) {
    throw watchdErrors.make("WATCHD_E_BAD_REQUEST", "`input` must be Base64");
  }
  const bytes = Buffer.from(value, "base64");
  if (bytes.length <= mostInputBytes) return bytes;
  throw watchdErrors.make("WATCHD_E_BAD_REQUEST", `\`input\` has more than ${mostInputBytes} bytes`);
}

function fieldIn(body: unknown, key: string): unknown {
  return typeof body === "object" && body !== null ? Reflect.get(body, key) : undefined;
}
