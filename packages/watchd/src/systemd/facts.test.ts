import fc from "fast-check";
import t from "tap";
import { awaitsRestart, factProperties, isAlive, parseFacts } from "./facts.ts";
import { running, waiting } from "./fixtures/facts.ts";
import { agentOfUnit, unitOf } from "./site.ts";
import { parseSummaries } from "./systemctl.ts";

/** As systemd 257 prints them: in an order of its own. */
const ofRunning = `MainPID=7
Result=success
ExecMainStartTimestampMonotonic=5000000
ExecMainPID=7
ExecMainCode=0
ExecMainStatus=0
ControlGroup=/system.slice/daruma-agent-a.service
LogExtraFields=DARUMA_AGENT=a DARUMA_DIGEST=d1
Id=daruma-agent-a.service
ActiveState=active
SubState=running
NeedDaemonReload=no
ConditionResult=yes
InvocationID=i1
`;
const ofWaiting = ofRunning
  .replace("ExecMainPID", "ExecMainExitTimestampMonotonic=9000000\nExecMainPID")
  .replace("MainPID=7\nResult=success", "MainPID=0\nResult=exit-code")
  .replace("ExecMainCode=0\nExecMainStatus=0", "ExecMainCode=1\nExecMainStatus=3")
  .replace(/ControlGroup=.*/, "ControlGroup=")
  .replace("ActiveState=active\nSubState=running", "ActiveState=activating\nSubState=auto-restart");
/** Of a unit that systemd does not have. */
const ofNothing = `MainPID=0
Result=success
ExecMainStartTimestampMonotonic=0
ExecMainPID=0
ExecMainCode=0
ExecMainStatus=0
ControlGroup=
LogExtraFields=
Id=daruma-agent-b.service
ActiveState=inactive
SubState=dead
NeedDaemonReload=no
ConditionResult=no
InvocationID=
`;

t.test("what systemctl shows of several units is read as blocks, in their order", async (t) => {
  const facts = parseFacts([ofRunning, ofNothing, ofWaiting].join("\n"));
  t.same([facts[0], facts[2]], [running, waiting]);
  t.match(facts[1], { unit: "daruma-agent-b.service", invocation: "", mainPid: 0, digest: "" });
  t.same(parseFacts(""), []);
  t.same(parseFacts("\n\n\n"), []);
});

t.test("a property that is missing, or no number where there should be one, counts as none", async (t) => {
  const [facts] = parseFacts("Id=daruma-agent-a.service\nMainPID=[not set]\nnonsense\n=odd\n");
  t.match(facts, {
    unit: "daruma-agent-a.service",
    invocation: "",
    activeState: "",
    mainPid: 0,
    execMainStatus: 0,
    controlGroup: "",
    digest: "",
    conditionHeld: true,
    needsReload: false,
  });
});

t.test("a value goes on after its first =, as far as its line does", async (t) => {
  const [facts] = parseFacts("Id=a=b=c\nControlGroup=/a=b/c d\n");
  t.match(facts, { unit: "a=b=c", controlGroup: "/a=b/c d" });
});

t.test("the digest is found among the fields, and only as a field of its own", async (t) => {
  const digest = (fields: string) => parseFacts(`LogExtraFields=${fields}`)[0]?.digest;
  t.equal(digest("DARUMA_AGENT=a DARUMA_DIGEST=0a1b"), "0a1b");
  t.equal(digest("DARUMA_DIGEST=0a1b DARUMA_AGENT=a"), "0a1b");
  t.equal(digest("DARUMA_AGENT=a"), "");
  t.equal(digest("NO_DARUMA_DIGEST=0a1b"), "");
  t.equal(digest("DARUMA_DIGEST=0a1b-and-more"), "");
});

t.test("a condition that did not hold and a definition to be read anew are told", async (t) => {
  const [facts] = parseFacts("ConditionResult=no\nNeedDaemonReload=yes");
  t.match(facts, { conditionHeld: false, needsReload: true });
});

t.test("whatever the values are, as many units are read as were shown", async (t) => {
  const value = fc.stringMatching(/^[ -~]*$/);
  const block = fc.record(Object.fromEntries(factProperties.map((name) => [name, value])));
  fc.assert(
    fc.property(fc.array(block), (blocks) => {
      const text = blocks.map((each) =>
        Object.entries(each)
          .map(([name, text]) => `${name}=${text}\n`)
          .join(""),
      );
      const read = parseFacts(text.join("\n"));
      t.same(
        read.map(({ unit, invocation }) => [unit, invocation]),
        blocks.map(({ Id, InvocationID }) => [Id, InvocationID]),
      );
    }),
    { numRuns: 50 },
  );
});

t.test("a unit is alive while its main process is, whatever else its state is", async (t) => {
  t.ok(isAlive(running));
  t.ok(isAlive({ ...running, activeState: "deactivating", subState: "stop-sigterm" }));
  t.notOk(isAlive(waiting));
  t.notOk(isAlive({ ...running, mainPid: 0, subState: "stop-sigterm" }), "only children are left");
  t.notOk(isAlive({ ...running, invocation: "" }));
});

t.test("a unit waits for its restart by its state alone", async (t) => {
  t.ok(awaitsRestart(waiting));
  t.ok(awaitsRestart({ ...waiting, subState: "auto-restart-queued" }));
  t.notOk(awaitsRestart(running));
  t.notOk(awaitsRestart({ ...waiting, subState: "start" }));
  t.notOk(awaitsRestart({ ...waiting, activeState: "failed", subState: "failed" }));
});

t.test("list-units is read by its columns", async (t) => {
  t.same(
    parseSummaries(
      "daruma-agent-a.service loaded    active     running      Daruma agent a\n" +
        "  daruma-agent-b.service not-found inactive dead daruma-agent-b.service\n\n" +
        "cut short\n",
    ),
    [
      { unit: "daruma-agent-a.service", state: "active/running" },
      { unit: "daruma-agent-b.service", state: "inactive/dead" },
    ],
  );
});

t.test("a unit is an agent's only if its whole name says so", async (t) => {
  t.equal(agentOfUnit(unitOf("web-2")), "web-2");
  for (const unit of ["daruma-agent-.service", "daruma-agent-A.service", "daruma-agent-a", "x.service"])
    t.equal(agentOfUnit(unit), null);
});
