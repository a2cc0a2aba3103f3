import t from "tap";
import { decodeFleet } from "./decode.ts";

function fleetOf(routines: Readonly<Record<string, object>>) {
  return decodeFleet({ hosts: { h: { system: "x86_64-linux", agents: {}, routines } } });
}

function problemsOf(routine: object, name = "nightly"): readonly string[] {
  const decoded = fleetOf({ [name]: { command: ["/bin/true"], ...routine } });
  if (decoded.ok) return [];
  return decoded.problems.map(({ path, message }) => `${path.replace("hosts.h.routines.", "")}: ${message}`);
}

t.test("a routine with its defaults", async (t) => {
  const decoded = fleetOf({ nightly: { command: ["/bin/true"], schedule: "0 2 * * *" } });
  t.match(decoded, {
    ok: true,
    fleet: {
      hosts: {
        h: {
          routines: {
            nightly: {
              schedule: { expression: "0 2 * * *", timezone: "UTC" },
              overlap: { kind: "skip", limit: 10 },
              missed: { run: "one", withinMs: 86_400_000 },
              jitterMs: 0,
              deadlineMs: null,
              retries: 0,
              timeoutMs: null,
              after: [],
              atBoot: false,
              stop: { signal: "SIGTERM", graceMs: 30_000 },
            },
          },
        },
      },
    },
  });
});

t.test("schedules that cannot be read, or are never due, do not compile", async (t) => {
  t.same(problemsOf({ schedule: "0 0 31 2 *" }), ['nightly.schedule: "0 0 31 2 *" is never due']);
  t.same(problemsOf({ schedule: "@daily\n0 0 31 2 *" }), ['nightly.schedule: "0 0 31 2 *" is never due']);
  t.same(problemsOf({ schedule: "61 2 * * *", timezone: "Europe/Berlim" }), [
    "nightly.schedule: minute: 61 is not within 0 to 59",
    'nightly.timezone: "Europe/Berlim" is no IANA time zone; did you mean Europe/Berlin?',
  ]);
  t.match(problemsOf({ timezone: "Mars/Olympus" }), [
    /^nightly\.timezone: "Mars\/Olympus" is no IANA time zone/,
  ]);
  t.same(problemsOf({ schedule: "H H 29 2 +MON" }), []);
});

t.test("names, references and values", async (t) => {
  t.match(problemsOf({}, "Nightly"), [/^Nightly: a routine's name has 2 to 28 characters/]);
  t.same(problemsOf({ after: ["load"] }), ['nightly.after[0]: there is no routine "load" on this host']);
  t.match(problemsOf({ overlap: "never" }), [/^nightly\.overlap: must be one of "skip", "queue"/]);
  t.match(problemsOf({ retries: -1 }), [/^nightly\.retries: must be a whole number from 0 to 1000/]);
  t.match(problemsOf({ environment: { DARUMA_X: "1" } }), [/^nightly\.environment\.DARUMA_X: /]);
  t.match(problemsOf({ group: "A" }), [/^nightly\.group: a group's name/]);
});

t.test(
  "what else fires a routine: names that exist, no loops, and one routine for each webhook",
  async (t) => {
    const on = (events: object) => problemsOf({ on: events });
    t.same(on({ failed: ["load"] }), ['nightly.on.failed[0]: there is no routine "load" on this host']);
    t.same(on({ recovered: ["web"] }), ['nightly.on.recovered[0]: there is no agent "web" on this host']);
    t.match(on({ files: ["inbox"] }), [/^nightly\.on\.files\[0\]: must be an absolute path/]);
    t.match(on({ ledger: [{ action: "Generation" }] }), [
      /^nightly\.on\.ledger\[0\]\.action: must be an action/,
    ]);
    const loop = "the routine would fire itself for ever";
    t.same(problemsOf({ after: ["nightly"] }), [`nightly.after[0]: ${loop}`]);
    t.same(on({ failed: ["nightly"] }), [`nightly.on.failed[0]: ${loop}`]);
    for (const entry of [
      { action: "routine.finished" },
      { action: "r*" },
      { action: "routine.*", subject: "nightly" },
    ])
      t.same(on({ ledger: [entry] }), [`nightly.on.ledger[0]: ${loop}`]);
    t.same(
      on({ ledger: [{ action: "routine.finished", subject: "other" }, { action: "generation.*" }] }),
      [],
    );

    const webhook = { path: "/hooks/x", scheme: "github", secrets: ["/run/secrets/x"] };
    t.same(problemsOf({ webhook }), []);
    t.match(problemsOf({ webhook: { ...webhook, secrets: [] } }), [
      /^nightly\.webhook\.secrets: must not be empty/,
    ]);
    t.match(problemsOf({ webhook: { ...webhook, listen: "localhost:80" } }), [
      /^nightly\.webhook\.listen: must be an IP/,
    ]);
    t.match(problemsOf({ webhook: { ...webhook, secrets: ["/nix/store/x"] } }), [/which everybody can read/]);
    const routine = { command: ["/bin/true"], webhook };
    const other = { ...routine, webhook: { ...webhook, listen: "127.0.0.1:8788" } };
    t.match(fleetOf({ one: routine, two: other }), {
      ok: false,
      problems: [
        { path: "hosts.h.routines.two.webhook.path", message: 'the routine "one" has the same one' },
      ],
    });
  },
);
