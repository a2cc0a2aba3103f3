/**
 * The rollback program is killed wherever it is about to change something, one place after the other, and run again: it
 * must end as if nothing had happened, also if the machine reboots in between and the second run is killed too.
 */
import { rmSync } from "node:fs";
import t, { type Test } from "tap";
import { FakeHost } from "./fixtures/fake-host.ts";

interface Story {
  readonly name: string;
  /** Prepares what is not the common case. */
  readonly prepare: (host: FakeHost, good: string) => void;
  readonly end: {
    readonly profile: string;
    readonly boots: string;
    readonly current: string;
    readonly verdict: string;
  };
}

const stories: readonly Story[] = [
  {
    name: "to a generation of the profile",
    prepare: () => undefined,
    end: { profile: "system-1-link", boots: "good", current: "good", verdict: "switched" },
  },
  {
    name: "to a known-good path that is no generation any more",
    prepare: (host) => rmSync(`${host.site.profile}-1-link`),
    end: { profile: "system-3-link", boots: "good", current: "good", verdict: "switched" },
  },
  {
    name: "which the target vetoes",
    prepare: (host) => host.behave("boot", 1),
    end: { profile: "system-2-link", boots: "bad", current: "bad", verdict: "vetoed" },
  },
];

function begin(t: Test, story: Story): { host: FakeHost; order: { from: string; target: string } } {
  const host = new FakeHost(t, { stoppable: true });
  const target = host.deploy(1, "good");
  const from = host.deploy(2, "bad");
  story.prepare(host, target);
  return { host, order: { from, target } };
}

// Some hundred processes, one after the other, on a machine that may be busy.
t.setTimeout(300_000);

/** In every third run the machine reboots then, and the second run is killed too; the stories begin at different places. */
for (const [index, story] of stories.entries()) {
  t.test(`a rollback ${story.name} ends the same wherever it is killed, once or twice`, async (t) => {
    const calls = await callsOf(t, story);
    for (let at = 1; at <= calls; at += 1) {
      const { host, order } = begin(t, story);
      await killAt(t, host, order, at);
      const again = at % 3 === index ? ((at * 7) % calls) + 1 : null;
      if (again !== null) {
        host.activate(host.facts.boots);
        await killAt(t, host, order, again, { mayEnd: true });
      }
      await host.rollback(order);
      ends(
        t,
        host,
        story,
        `after a kill at call ${at}${again === null ? "" : `, a reboot and a kill at call ${again}`}`,
      );
    }
  });
}

/** At how many places a run can be killed. */
async function callsOf(t: Test, story: Story): Promise<number> {
  const { host, order } = begin(t, story);
  await host.rollback(order);
  ends(t, host, story, "undisturbed");
  const calls = Number(host.read("calls"));
  t.ok(calls >= 15, `${calls} places to be killed at`);
  return calls;
}

async function killAt(
  t: Test,
  host: FakeHost,
  order: { from: string; target: string },
  at: number,
  { mayEnd = false }: { mayEnd?: boolean } = {},
): Promise<void> {
  host.remove("calls");
  host.write("kill-at", `${at}\n`);
  const { code } = await host.rollback(order);
  if (!mayEnd) t.equal(code, null, `killed at call ${at}`);
  host.remove("kill-at");
}

function ends(t: Test, host: FakeHost, story: Story, when: string): void {
  const { profile, boots, current } = host.facts;
  const short = (path: string) => path.slice(path.lastIndexOf("-") + 1);
  const verdict = host.resultOf()?.verdict ?? "";
  t.same({ profile, boots: short(boots), current: short(current), verdict }, story.end, when);
  t.equal(host.read("state/rollback.json.begun"), "", "nothing is left unfinished");
}
