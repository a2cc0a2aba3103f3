import { createSocket } from "node:dgram";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import { callUnix } from "@daruma/base";
import t from "tap";
import { createLab, echo, eventually, freePort, listen } from "../fixtures/lab.ts";
import { probe } from "./attempt.ts";
import { egressdCalls, runSelfTests } from "./run.ts";
import { forbiddenWays, judge, type ProbeRequest, type ProbeResult } from "./ways.ts";

const request: ProbeRequest = {
  proxyPort: 20480,
  ways: forbiddenWays({
    echo: { v4: { tcp: 1, udp: 2 }, v6: { tcp: 3, udp: 4 } },
    nameServers: ["192.0.2.53", "2001:db8::53"],
    otherPorts: [20481, 20482, 20483, 20484],
  }),
};
const all = (outcome: "closed" | "open" | "unclear") => request.ways.map(() => outcome);

t.test("ways of every kind are to be closed, and one that is open condemns", async (t) => {
  const tried = request.ways.map((way) =>
    way.by === "unix" ? way.path : `${way.by} ${way.address} ${way.port}`,
  );
  for (const way of [
    "tcp 127.0.0.1 1",
    "udp 127.0.0.1 2",
    "tcp ::1 3",
    "udp ::1 4",
    "tcp 192.0.2.1 443",
    "tcp 2001:db8::1 443",
    "udp 192.0.2.53 53",
    "tcp 2001:db8::53 53",
    "tcp 169.254.169.254 80",
    "tcp 127.0.0.1 20481",
    "/run/dbus/system_bus_socket",
  ])
    t.ok(tried.includes(way), way);
  t.same(judge(request, { proxy: "open", ways: all("closed") }), { verdict: "passed", problems: [] });
  const index = tried.indexOf("udp 192.0.2.53 53");
  t.same(judge(request, { proxy: "open", ways: all("closed").with(index, "open") }), {
    verdict: "open",
    problems: ["open: DNS over UDP (192.0.2.53:53)"],
  });
  t.match(judge(request, { proxy: "open", ways: all("closed").with(index, "unclear") }), {
    verdict: "unclear",
    problems: ["neither answered nor refused: DNS over UDP (192.0.2.53:53)"],
  });
  t.match(judge(request, { proxy: "closed", ways: all("closed") }), {
    verdict: "unclear",
    problems: [/20480/],
  });
  for (const odd of [
    null,
    1,
    {},
    { proxy: "open", ways: [] },
    { proxy: "open", ways: all("closed").slice(1) },
  ])
    t.match(judge(request, odd), { verdict: "unclear" }, JSON.stringify(odd));
  t.match(judge({ proxyPort: 1, ways: [] }, { proxy: "open", ways: [] }), { verdict: "unclear" });
});

t.test("a way is open if something answers, closed if it is refused, and else unclear", async (t) => {
  const lab = await createLab(t, { aa: { egress: [] } });
  const tcp = await listen(t, echo);
  const mute = createSocket("udp4").bind(0, "127.0.0.1");
  const unix = createServer().listen(join(dirname(lab.socket), "answers.sock"));
  await Promise.all([once(mute, "listening"), once(unix, "listening")]);
  t.teardown(() => {
    mute.close();
    unix.close();
  });
  const place = { name: "x", address: "127.0.0.1" };
  const result = await probe(
    {
      proxyPort: lab.port("aa"),
      ways: [
        { ...place, by: "tcp", port: tcp.port },
        { ...place, by: "tcp", port: await freePort() },
        { ...place, by: "udp", port: mute.address().port },
        { ...place, by: "udp", port: await freePort() },
        { name: "x", by: "unix", path: join(dirname(lab.socket), "answers.sock") },
        { name: "x", by: "unix", path: join(dirname(lab.socket), "missing.sock") },
      ],
    },
    500,
  );
  t.same(result, { proxy: "open", ways: ["open", "closed", "unclear", "closed", "open", "closed"] });
  t.match(await probe({ proxyPort: await freePort(), ways: [] }, 500), { proxy: "closed" });
  t.same(
    lab.entries.filter(({ action }) => action !== "egress.rules"),
    [],
    "nothing is told of the echo",
  );
});

t.test(
  "egressd reports nothing as enforced until the test has passed, and again after each change",
  async (t) => {
    const lab = await createLab(
      t,
      { aa: { egress: [] }, bb: { egress: [], mode: "observe" } },
      { hasWall: true },
    );
    const flag = join(dirname(lab.socket), "unproven");
    const statusOf = (agent: string) => lab.egressd.status().agents[agent];
    const closed: string[] = [];
    const run = (tryIt: (request: ProbeRequest) => Promise<ProbeResult>) =>
      runSelfTests({
        egressd: egressdCalls(lab.socket),
        probe: async (_, asked) => tryIt(asked),
        failClosed: async (agents) => void closed.push(...agents),
        confirmMs: 0,
      });
    t.same(await run(async () => t.fail("there is no wall to be tested") as never), new Map());
    t.notOk(existsSync(flag));

    await lab.loadWall();
    t.ok(existsSync(flag), "systemd is asked for a test");
    t.match(statusOf("aa"), { enforced: false, proof: { state: "untested" } });
    t.match(statusOf("bb"), { enforced: false, proof: { state: "none" } });
    // No wall is here: egressd's echo answers. What would leave this machine is left out.
    const here = async (asked: ProbeRequest): Promise<ProbeResult> => {
      const isHere = asked.ways.map((way) => way.by !== "unix" && /^(127\.|::1$)/.test(way.address));
      const found = await probe({ ...asked, ways: asked.ways.filter((_, index) => isHere[index]) }, 5_000);
      const rest = [...found.ways];
      return { ...found, ways: isHere.map((is) => (is ? (rest.shift() ?? "unclear") : "closed")) };
    };
    t.same(await run(here), new Map([["aa", "open"]]));
    t.same(closed, ["aa"]);
    t.match(statusOf("aa"), {
      enforced: false,
      proof: { state: "open", problems: [/TCP .*IPv4/, /UDP .*IPv4/] },
    });
    t.notOk(existsSync(flag));

    // Behind a wall, the same ends otherwise.
    const behind = async ({ ways }: ProbeRequest): Promise<ProbeResult> => ({
      proxy: "open",
      ways: ways.map(() => "closed"),
    });
    await lab.loadWall();
    let tries = 0;
    const momentary = await run(async (asked) => {
      tries += 1;
      return tries === 1 ? here(asked) : behind(asked);
    });
    t.same(momentary, new Map([["aa", "passed"]]), "one that was only open for a moment");
    t.same(closed, ["aa"], "takes nobody away");
    await lab.loadWall();
    const failing = run(async () => Promise.reject(new Error("no such unit")));
    t.same(await failing, new Map([["aa", "unclear"]]));
    t.match(statusOf("aa"), {
      enforced: false,
      proof: { problems: ["the probe did not run: no such unit"] },
    });
    await lab.loadWall();
    t.same(await run(behind), new Map([["aa", "passed"]]));
    t.match(statusOf("aa"), { enforced: true, proof: { state: "proven" } });
    await lab.setAgents({ aa: { egress: ["api.example.com:443"] }, bb: { egress: [], mode: "observe" } });
    t.match(statusOf("aa"), { enforced: false, proof: { state: "untested" } });
    // The wall is loaded anew while the test of the old one runs.
    let loads = 0;
    await run(async (asked) => {
      loads += 1;
      if (loads === 1) await lab.loadWall();
      return behind(asked);
    });
    t.equal(loads, 2, "the test of what was there before does not count");
    t.match(statusOf("aa"), { enforced: true });
    await eventually("all is told", () => lab.entries.some(({ details }) => details.outcome === "passed"));
    t.same(
      lab.entries.flatMap(({ action, subject, details }) =>
        action === "egress.self-test" ? [`${subject} ${details.outcome}`] : [],
      ),
      ["aa open", "aa passed", "aa unclear", "aa passed", "aa passed"],
    );
    t.match(await callUnix({ path: lab.socket, method: "POST", route: "/v1/self-tests", body: {} }), {
      verdict: null,
    });
  },
);
