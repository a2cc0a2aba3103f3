import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, statSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { consume, heartbeat, idle, produce, progress, restart, self } from "@daruma/config/agent";
import type { AppendRequest, LedgerConnection } from "@daruma/ledger";
import t, { type Test } from "tap";
import { initialState, type State } from "../policy/state.ts";
import { openAgentApi } from "./agent-api.ts";
import { agentState, generationAt, runAt } from "./fixtures/states.ts";
import { createAgentLedger } from "./ledger.ts";
import { agentPace } from "./pace.ts";
import { agentSocketPath, type Isolation } from "./place.ts";
import { maxStatements } from "./records.ts";

/** A ledger that takes entries, says nothing, or cannot be reached. */
function fakeLedger() {
  const ledger = {
    mood: "taking" as "taking" | "silent" | "away",
    connections: 0,
    entries: [] as AppendRequest[],
    connect: async (): Promise<LedgerConnection> => {
      if (ledger.mood === "away") throw new Error("nobody listens");
      ledger.connections += 1;
      let end = () => {};
      const closed = new Promise<void>((resolve) => {
        end = resolve;
      });
      return {
        closed,
        append: async (entry) => {
          if (ledger.mood === "silent") return new Promise(() => undefined);
          ledger.entries.push(entry);
          return { duplicate: false, seq: ledger.entries.length, hash: "f".repeat(64), time: "t" };
        },
        close: async () => end(),
      };
    },
  };
  return ledger;
}

function stateWith(...names: readonly string[]): State {
  const agents = names.map((name) => [name, agentState({ phase: "healthy", run: runAt(`run-${name}`, 9) })]);
  return {
    ...initialState({ epoch: "e", bootId: "b", seed: 1 }),
    surveyed: true,
    generation: generationAt(3, 1),
    agents: Object.fromEntries(agents),
  };
}

async function apiFor(t: Test, { isolation = "one", agents = ["web", "other"] } = {}) {
  const runtime = realpathSync(mkdtempSync(join(tmpdir(), "daruma-a-")));
  const ledger = fakeLedger();
  const logs: string[] = [];
  const beats: string[] = [];
  const said: string[] = [];
  const restarts: string[] = [];
  const clock = { mono: 1_000 };
  const world = { state: stateWith(...agents) };
  const api = openAgentApi({
    runtime,
    isolation: isolation as Isolation,
    state: () => world.state,
    connectLedger: ledger.connect,
    onRestart: (agent, runId) => restarts.push(`${agent} ${runId}`),
    monoNow: () => clock.mono,
    onIdle: (agent, runId, forMs) => said.push(`${agent} ${runId} idle ${forMs}`),
    onProgress: (agent, runId, count) => said.push(`${agent} ${runId} ${count}`),
    onBeat: (agent, runId) => beats.push(`${agent} ${runId}`),
    log: (message) => logs.push(message),
  });
  t.teardown(async () => {
    await api.close();
    rmSync(runtime, { recursive: true });
  });
  const at = (agent: string) => ({ socket: agentSocketPath(runtime, agent), withinMs: 0 });
  return { runtime, ledger, logs, beats, said, restarts, clock, world, api, at };
}

/** What a program without our client gets. */
function post(socketPath: string, path: string, body: unknown) {
  return new Promise<{ status: number; retryAfter: string | undefined; text: string }>((resolve, reject) => {
    const outgoing = request({ socketPath, path, method: "POST", agent: false }, (response) => {
      let text = "";
      response.on("data", (chunk) => {
        text += chunk;
      });
      response.on("end", () =>
        resolve({ status: response.statusCode ?? 0, retryAfter: response.headers["retry-after"], text }),
      );
    });
    outgoing.on("error", reject);
    outgoing.end(JSON.stringify(body));
  });
}

const file = { type: "file", id: "cities.csv" };

t.test("what an agent says is recorded as its own, whichever socket tells which agent it is", async (t) => {
  const { api, ledger, world, at } = await apiFor(t);
  await api.follow(world.state);
  t.same(await consume(file, at("web")), { seq: 1, hash: "f".repeat(64) });
  const receipts = await produce(
    [
      { ...file, activity: "a" },
      { ...file, payload: { rows: 7 } },
    ],
    at("other"),
  );
  t.same(
    receipts.map(({ seq }) => seq),
    [2, 3],
  );
  t.same(ledger.entries, [
    {
      action: "data.consume",
      agent: "web",
      subject: "file:cities.csv",
      run: "run-web",
      details: { ...file, agent: "web", generation: 3 },
    },
    {
      action: "data.produce",
      agent: "other",
      subject: "file:cities.csv",
      run: "run-other",
      details: { ...file, agent: "other", activity: "a", generation: 3 },
    },
    {
      action: "data.produce",
      agent: "other",
      subject: "file:cities.csv",
      run: "run-other",
      details: { ...file, agent: "other", generation: 3 },
      payload: { rows: 7 },
    },
  ]);
  t.match(await self(at("web")), { name: "web", generation: 3, run: "run-web", state: "healthy" });
  await t.rejects(produce({ ...file, agent: "other" } as never, at("web")), { code: "AGENT_E_BAD_RECORD" });
  t.equal(ledger.entries.length, 3);
});

t.test("a heartbeat counts however large or odd it is, and so does any other word", async (t) => {
  const { api, beats, world, at } = await apiFor(t);
  const web = agentState({ phase: "healthy", run: runAt("run-web", 9) });
  const listened = {
    ...web.policy,
    heartbeat: { through: "http", everyMs: 5_000, silenceMs: 15_000 },
  } as const;
  world.state = { ...world.state, agents: { ...world.state.agents, web: { ...web, policy: listened } } };
  await api.follow(world.state);
  const heard = async (ask: () => Promise<unknown>) => {
    // Words in quick succession count as one; here each is the first of its run.
    const runId = `run-${beats.length}`;
    world.state = {
      ...world.state,
      agents: { ...world.state.agents, web: { ...web, policy: listened, run: runAt(runId, 9) } },
    };
    await ask();
    t.equal(beats.at(-1), `web ${runId}`);
  };
  await heard(async () => t.same(await heartbeat(at("web")), { everyMs: 5_000 }));
  await heard(async () =>
    t.match(await post(at("web").socket, "/v1/heartbeat", "x".repeat(100_000)), { status: 200 }),
  );
  await heard(async () =>
    t.match(await post(at("web").socket, "/v1/heartbeat", "x".repeat(300_000)), { status: 413 }),
  );
  await heard(() => produce(file, at("web")));
  const before = beats.length;
  t.same(await heartbeat(at("other")), { everyMs: null }, "nobody listens for it");
  t.equal(beats.length, before);
});

t.test("an agent tells how far its work is, and when it has none", async (t) => {
  const { api, said, world, at } = await apiFor(t);
  await api.follow(world.state);
  t.same(await progress(7, at("web")), { withinMs: null });
  t.same(await idle(60_000, at("other")), { restart: false });
  t.same(said, ["web run-web 7", "other run-other idle 60000"]);
  const web = agentState({ phase: "healthy", run: runAt("run-web", 9) });
  const excess = { resource: "openFiles", evidence: {} } as const;
  const policy = { ...web.policy, progress: { withinMs: 9_000 } };
  const waiting = { ...web, policy, pending: { excess, since: 1 } };
  world.state = { ...world.state, agents: { ...world.state.agents, web: waiting } };
  t.same(await progress(8, at("web")), { withinMs: 9_000 });
  t.same(await idle(1, at("web")), { restart: true });
  t.same(await idle(0, at("web")), { restart: false });
  for (const wrong of [-1, 1.5, 2 ** 60])
    await t.rejects(progress(wrong, at("web")), { code: "AGENT_E_BAD_REQUEST" });
  await t.rejects(idle(8 * 86_400_000, at("web")), { code: "AGENT_E_BAD_REQUEST" });
});

t.test("an agent asks for its own restart, but not in a loop", async (t) => {
  const { api, restarts, clock, world, at } = await apiFor(t);
  await api.follow(world.state);
  t.match(await post(at("web").socket, "/v1/restart", undefined), {
    status: 429,
    retryAfter: "10",
    text: /AGENT_E_TOO_SOON/,
  });
  t.same(restarts, []);
  clock.mono = 10_009;
  await restart(at("web"));
  t.same(restarts, ["web run-web"]);
  const web = world.state.agents.web;
  if (web === undefined) throw new Error("there is no web");
  world.state = {
    ...world.state,
    agents: { ...world.state.agents, web: { ...web, ownRestarts: [1, 2, 3] } },
  };
  const refused = await post(at("web").socket, "/v1/restart", undefined);
  t.match(refused, { status: 429, retryAfter: "60", text: /AGENT_E_TOO_OFTEN/ });
  t.equal(restarts.length, 2, "the policy hears of it, to tell a person");
});

t.test("while the ledger is away an agent is told to try again, and nothing is kept for it", async (t) => {
  const { api, ledger, world, at } = await apiFor(t);
  await api.follow(world.state);
  ledger.mood = "away";
  const refused = await post(at("web").socket, "/v1/produce", file);
  t.match(refused, { status: 503, retryAfter: "1", text: /AGENT_E_LEDGER_AWAY/ });
  ledger.mood = "taking";
  await produce(file, at("web"));
  t.equal(ledger.entries.length, 1);
  world.state = { ...world.state, surveyed: false };
  t.match(await post(at("web").socket, "/v1/produce", file), { status: 503, text: /AGENT_E_NO_RUN/ });
});

t.test("a ledger that does not acknowledge is given up, and reached anew", async (t) => {
  const ledger = fakeLedger();
  const agents = createAgentLedger(ledger.connect, 20);
  const entry: AppendRequest = { action: "data.produce", subject: "file:a", details: {} };
  ledger.mood = "silent";
  await t.rejects(agents.append(entry), { code: "AGENT_E_LEDGER_AWAY", message: /20 ms/ });
  ledger.mood = "taking";
  t.match(await agents.append(entry), { seq: 1 });
  t.equal(ledger.connections, 2);
  await agents.close();
});

t.test("an agent that floods the ledger is slowed down, and no other one with it", async (t) => {
  const { api, ledger, world, at } = await apiFor(t);
  await api.follow(world.state);
  const batch = Array(maxStatements).fill(file);
  const answers = [];
  for (let sent = 0; sent <= agentPace.burst + maxStatements; sent += maxStatements) {
    answers.push(await post(at("web").socket, "/v1/consume", batch));
  }
  t.match(answers.at(-1), { status: 429, retryAfter: "3", text: /AGENT_E_TOO_FAST/ });
  t.equal(ledger.entries.length, answers.filter(({ status }) => status === 200).length * maxStatements);
  await consume(file, at("other"));
  t.match(await post(at("web").socket, "/v1/consume", "x".repeat(300_000)), { status: 413 });
  t.match(await post(at("web").socket, "/v1/status", {}), { status: 404 });
});

t.test("agents that come and go get and lose their sockets", async (t) => {
  const { api, runtime, world, at } = await apiFor(t, { agents: ["web"] });
  const left = agentSocketPath(runtime, "removed");
  mkdirSync(dirname(left), { recursive: true });
  const dead = createServer().listen(left);
  await new Promise((resolve) => dead.once("listening", resolve));
  await api.follow(world.state);
  t.notOk(statSync(left, { throwIfNoEntry: false }), "what a watchd before us has left is gone");
  dead.close();
  await api.follow(stateWith("web", "new"));
  t.match(await self(at("web")), { name: "web" });
  t.equal(statSync(at("new").socket).mode & 0o777, 0o600);
  await api.follow(stateWith("new"));
  await t.rejects(self(at("web")), { code: "ENOENT" });
  rmSync(at("new").socket);
  await api.check();
  t.ok(statSync(at("new").socket).isSocket(), "one that was removed is made again");
});

t.test("on a host the directory has to be as tmpfiles makes it, or nothing is served in it", async (t) => {
  const { api, logs, world, at } = await apiFor(t, { isolation: "users", agents: ["web"] });
  const { socket } = at("web");
  const directory = dirname(socket);
  const attempt = async (why: RegExp) => {
    await api.check();
    t.notOk(statSync(socket, { throwIfNoEntry: false }), String(why));
    t.match(logs.at(-1), why);
  };
  await api.follow(world.state);
  await attempt(/does not exist/);
  mkdirSync(dirname(directory));
  writeFileSync(directory, "");
  await attempt(/is not a directory/);
  rmSync(directory);
  mkdirSync(directory);
  for (const mode of [0o2755, 0o2770, 0o750, 0o2752]) {
    chmodSync(directory, mode);
    await attempt(/has mode/);
  }
  chmodSync(directory, 0o2750);
  await api.check();
  t.match(logs.at(-1), /has its socket now/);
  const made = statSync(socket);
  t.equal(made.mode & 0o7777, 0o660);
  t.equal(made.gid, statSync(directory).gid);
});

t.test("an agent without a socket in its environment is told so", async (t) => {
  await t.rejects(self({ socket: "" }), { code: "NO_SOCKET" });
});
