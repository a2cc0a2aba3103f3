import { createHash, createHmac } from "node:crypto";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import type { RoutineManifest } from "@daruma/config";
import { connectLedger, type Ledgerd, startLedgerd } from "@daruma/ledger";
import t, { type Test } from "tap";
import { githubHeaders, plainSecret } from "../../webhooks/test-support.ts";
import { Lab, shell } from "../fixtures/lab.ts";
import { plainRoutine } from "../fixtures/plain.ts";
import { runHome } from "../homes.ts";
import { eventsOfEntry } from "./entries.ts";
import { firstChange, lookAt } from "./file-look.ts";

const silent = { failed: [], recovered: [], ledger: [], files: [] };

t.test("an entry of the ledger is an event by its action and what it is about", async (t) => {
  const entry = { seq: 7, action: "recovery.verified", subject: "enricher" };
  const names = (...filters: { action: string; subject: string | null }[]) =>
    eventsOfEntry(entry, filters).map(({ name }) => name);
  t.same(names({ action: "recovery.verified", subject: null }), ["ledger:recovery.verified *"]);
  t.same(names({ action: "recovery.*", subject: "enricher" }), ["ledger:recovery.* enricher"]);
  t.same(names({ action: "recovery.*", subject: "other" }, { action: "recovery", subject: null }), []);
  const twice = { action: "recovery.verified", subject: null };
  t.same(eventsOfEntry(entry, [twice, twice]), [
    { name: "ledger:recovery.verified *", cause: "entry 7: recovery.verified enricher" },
  ]);
});

async function ledgerFor(lab: Lab): Promise<Ledgerd> {
  return startLedgerd({
    store: join(lab.stateDir, "..", "store"),
    host: "lab",
    sockets: dirname(lab.ledgerSocket),
    writers: ["watchd"],
    onProblem: unexpected,
    onTrouble: unexpected,
    onFatal: unexpected,
  });
}

function unexpected(error: unknown): never {
  throw error;
}

async function append(lab: Lab, action: string, subject: string): Promise<void> {
  const ledger = await connectLedger({ socket: lab.ledgerSocket });
  await ledger.append({ action, subject, details: {} });
  await ledger.close();
}

t.test("a recovery and other entries fire, also those from while watchd was away, each once", async (t) => {
  const lab = new Lab(t);
  const ledgerd = await ledgerFor(lab);
  t.teardown(() => ledgerd.stop());
  await append(lab, "recovery.verified", "enricher");
  const routines: Record<string, RoutineManifest> = {
    check: { ...plainRoutine, on: { ...silent, recovered: ["enricher"] } },
    audit: { ...plainRoutine, on: { ...silent, ledger: [{ action: "generation.*", subject: null }] } },
  };
  await lab.deploy(routines);
  await lab.until("it knows where to begin", () => (lab.routines.engine?.state.ledgerSeq ?? 0) === 1);
  await append(lab, "recovery.verified", "other");
  await append(lab, "recovery.verified", "enricher");
  await lab.finished("check");
  t.match(
    lab.told.find(({ action }) => action === "routine.fired"),
    { subject: "check", details: { trigger: "event", cause: "entry 3: recovery.verified enricher" } },
  );
  await lab.restart(() => append(lab, "generation.rolled-back", "/store/1"));
  await lab.finished("audit");
  const fired = lab.told.filter(({ action }) => action === "routine.fired").map(({ subject }) => subject);
  t.same(fired, ["check", "audit"], "and what was there before the first one waited is nothing new");
});

t.test("files that appear or change fire, also while watchd is down; what goes away does not", async (t) => {
  const lab = new Lab(t);
  const inbox = join(lab.stateDir, "..", "inbox");
  mkdirSync(join(inbox, "deep"), { recursive: true });
  writeFileSync(join(inbox, "old"), "there before");
  await lab.deploy({ load: { ...plainRoutine, on: { ...silent, files: [inbox] } } });
  await lab.until("it knows what is there", () =>
    existsSync(join(lab.stateDir, "watchd", "routine-files.json")),
  );
  writeFileSync(join(inbox, "deep", "new"), "1");
  await lab.finished("load");
  const causes = () =>
    lab.told.filter(({ action }) => action === "routine.fired").map(({ details }) => details.cause);
  t.same(causes(), [`file ${inbox}/deep/new`]);
  await lab.restart(() => {
    rmSync(join(inbox, "old"));
    writeFileSync(join(inbox, "deep", "new"), "22");
  });
  await lab.finished("load", 2);
  t.same(causes(), [`file ${inbox}/deep/new`, `file ${inbox}/deep/new`]);
});

t.test("one look at files is told from another by what is new in it", async (t) => {
  const directory = t.testdir({ a: "1", b: "2" });
  const before = await lookAt(directory);
  t.equal(firstChange(before, await lookAt(directory)), null);
  rmSync(join(directory, "a"));
  t.equal(firstChange(before, await lookAt(directory)), null);
  renameSync(join(directory, "b"), join(directory, "c"));
  t.equal(firstChange(before, await lookAt(directory)), join(directory, "c"));
  t.same([...(await lookAt(join(directory, "c", "nothing")))], []);
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  return typeof address === "object" && address !== null ? address.port : 0;
}

async function webhookLab(t: Test) {
  const lab = new Lab(t);
  const listen = `127.0.0.1:${await freePort()}`;
  mkdirSync(lab.stateDir, { recursive: true });
  const secret = join(lab.stateDir, "..", "secret");
  writeFileSync(secret, `${plainSecret}\n`);
  const webhook = {
    path: "/hooks/orders",
    scheme: "github",
    secrets: [secret],
    listen,
    bodyBytes: 1_000,
  } as const;
  const busy = join(lab.stateDir, "busy");
  const script = `cp "$DARUMA_INPUT" "$DARUMA_STATE_DIR/got"; while [ -e "${busy}" ]; do sleep 0.02; done`;
  await lab.deploy({ orders: shell(script, { webhook, overlap: { kind: "queue", limit: 1 } }) });
  const post = async (headers: Record<string, string>, body: string, path = "/hooks/orders") => {
    // The server listens a moment after the deploy.
    for (;;) {
      const answer = await fetch(`http://${listen}${path}`, { method: "POST", headers, body }).catch(
        () => null,
      );
      if (answer !== null) return answer.status;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  };
  return { lab, post, busy, secret };
}

t.test("a webhook that is proven fires its routine once, with its body as the input", async (t) => {
  const { lab, post, busy, secret } = await webhookLab(t);
  const body = '{"order": 1}';
  const headers = githubHeaders("delivery-1", Buffer.from(body));
  t.equal(await post(headers, body), 202);
  await lab.finished("orders");
  const { run = "", details } = lab.told.find(({ action }) => action === "routine.fired") ?? {};
  t.match(details, { trigger: "event", cause: "webhook /hooks/orders" });
  t.equal(readFileSync(join(runHome(lab.stateDir, "orders", run), "state", "got"), "utf8"), body);
  t.equal(await post(headers, body), 200);
  await lab.restart();
  t.equal(await post(headers, body), 200, "known across a restart");
  t.equal(await post(headers, `${body} `), 404);
  t.equal(await post(headers, body, "/hooks/other"), 404);
  t.equal(lab.story("orders").filter((line) => line === "fired").length, 1);
  const deliveries = () =>
    lab.told
      .filter(({ action }) => action === "routine.delivery")
      .map(({ subject, details }) => [subject, details.outcome, details.why, details.bodySha256]);
  const sha256 = createHash("sha256").update(body).digest("hex");
  await lab.until("all of it is told", () => deliveries().length >= 5);
  t.match(deliveries(), [
    ["orders", "taken", null, sha256],
    ["orders", "repeated", null, sha256],
    ["orders", "repeated", null, sha256],
    ["orders", "refused", "signature"],
    ["(none)", "refused", "no-route", sha256],
  ]);
  writeFileSync(busy, "");
  const send = (id: string) => post(githubHeaders(id, Buffer.from(id)), id);
  t.equal(await send("b"), 202);
  await lab.until("it runs", () => lab.story("orders").filter((line) => line === "started").length > 1);
  t.equal(await send("c"), 202, "it waits");
  t.equal(await send("d"), 503, "there is no place for it");
  rmSync(busy);
  await lab.finished("orders", 3);
  t.equal(await send("d"), 202, "so it is taken when it comes again");
  await lab.until("that is told", () => deliveries().length >= 9);
  t.match(deliveries()[7], ["orders", "refused", "busy"]);
  writeFileSync(secret, "\n");
  const forged = `sha256=${createHmac("sha256", "").update("e").digest("hex")}`;
  const headersOfNobody = { "x-github-delivery": "e", "x-hub-signature-256": forged };
  t.equal(await post(headersOfNobody, "e"), 404, "an empty file is no secret");
  t.equal(await post(headersOfNobody, "e"), 404);
  await lab.until("that is told", () => deliveries().length >= 10);
  t.match(deliveries().slice(9), [["orders", "failed", "internal"]], "once");
});

t.test(
  "a webhook whose memory cannot be opened takes nothing, and all else goes on; later it is tried again",
  async (t) => {
    const lab = new Lab(t);
    const memory = join(lab.stateDir, "watchd", "webhook-deliveries");
    mkdirSync(memory, { recursive: true });
    const listen = `127.0.0.1:${await freePort()}`;
    const secrets = [join(lab.stateDir, "secret")];
    const webhook = { path: "/hooks/orders", scheme: "shared", secrets, listen, bodyBytes: 1_000 } as const;
    await lab.deploy({ orders: { ...plainRoutine, webhook }, load: { ...plainRoutine, atBoot: true } });
    await lab.finished("load");
    const ask = () => fetch(`http://${listen}/hooks/orders`, { method: "POST" }).catch(() => null);
    t.equal(await ask(), null);
    rmSync(memory, { recursive: true });
    await lab.deploy({ orders: { ...plainRoutine, webhook } });
    let answer: Response | null = null;
    while (answer === null) answer = await ask();
    t.equal(answer.status, 404);
  },
);
