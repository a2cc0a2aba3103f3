import { chmodSync, existsSync, readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import t, { type Test } from "tap";
import { createFeeder, feedByClock } from "./feeder.ts";

/** A systemd-notify in PATH that notes what it is told. */
function notifier(t: Test, status = 0) {
  const directory = t.testdir({
    "systemd-notify": `#!/bin/sh\necho "$*" >>"$(dirname "$0")/told"\nexit ${status}\n`,
  });
  chmodSync(join(directory, "systemd-notify"), 0o755);
  const { PATH = "" } = process.env;
  process.env.PATH = `${directory}${delimiter}${PATH}`;
  t.teardown(() => {
    process.env.PATH = PATH;
  });
  const file = join(directory, "told");
  const told = () => (existsSync(file) ? readFileSync(file, "utf8").trimEnd().split("\n") : []);
  const until = async (times: number) => {
    while (told().length < times) await delay(2);
  };
  return { told, until };
}

const asks = (ms: number) => ({ NOTIFY_SOCKET: "/run/systemd/notify", WATCHDOG_USEC: String(ms * 1_000) });

t.test("systemd is told that all is well, and no more often than it has to be", async (t) => {
  const { told, until } = notifier(t);
  const logged: string[] = [];
  const feeder = createFeeder(asks(3_600_000), (message) => logged.push(message));
  for (let time = 0; time < 5; time += 1) feeder.feed();
  await until(1);
  feeder.feed();
  t.same(told(), ["WATCHDOG=1"]);
  t.same(logged, []);
});

t.test("whom systemd has not asked for it says nothing", async (t) => {
  const { told, until } = notifier(t);
  const silent = [
    {},
    { WATCHDOG_USEC: "1000000" },
    { NOTIFY_SOCKET: "/x" },
    { ...asks(1), WATCHDOG_USEC: "x" },
  ];
  for (const environment of silent) {
    createFeeder(environment, t.fail).feed();
    feedByClock(environment, t.fail);
  }
  // What one of them had told would be told before this.
  createFeeder(asks(3_600_000), t.fail).feed();
  await until(1);
  t.equal(told().length, 1);
});

t.test("where that fails it is said, and tried again", async (t) => {
  const { until } = notifier(t, 1);
  const logged: string[] = [];
  const feeder = createFeeder(asks(3_600_000), (message) => logged.push(message));
  feeder.feed();
  while (logged.length === 0) await delay(2);
  t.match(logged[0], /^systemd could not be told that all is well: .*systemd-notify/s);
  feeder.feed();
  await until(2);
});

t.test("by the clock, systemd is told again and again", async (t) => {
  const { until } = notifier(t);
  const logged: string[] = [];
  const stop = feedByClock(asks(60), (message) => logged.push(message));
  await until(3);
  stop();
  t.same(logged, []);
});
