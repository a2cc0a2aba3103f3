/** What watches the watchdog is systemd, by these settings of its unit: none of them may get lost. */
import t from "tap";
import { must, unitsOfHost, withoutNix } from "./support.ts";

const seconds = (unit: string, setting: string) =>
  Number(new RegExp(`^${setting}="?([0-9]+)s?"?$`, "m").exec(unit)?.[1] ?? Number.NaN);

t.test(
  "a watchd that ends is started again, one that hangs is ended, and one that cannot stay up is given up",
  { skip: withoutNix },
  async (t) => {
    const { unitTexts } = unitsOfHost({ agents: {} });
    const unit = must(unitTexts, "daruma-watchd.service");
    t.match(unit, /^Restart="?always"?$/m);
    // Otherwise a crash would be a failure of the unit, and OnFailure= come at each.
    t.match(unit, /^RestartMode="?direct"?$/m);
    t.match(unit, /^OnFailure="?daruma-watchd-failed\.service"?$/m);
    t.ok(must(unitTexts, "daruma-watchd-failed.service"));
    t.match(unit, /^NotifyAccess="?all"?$/m);
    const watchdog = seconds(unit, "WatchdogSec");
    // A survey every 5 s, which may wait 10 s for an answer, has to fit in twice.
    t.ok(watchdog >= 2 * (5 + 10), `WatchdogSec is ${watchdog}`);
    const burst = seconds(unit, "StartLimitBurst");
    const interval = seconds(unit, "StartLimitIntervalSec");
    t.ok(interval > burst * (watchdog + 5), "one that hangs each time is given up as well");
  },
);

t.test(
  "a ledgerd that ends is started again however often, and one that hangs is ended",
  { skip: withoutNix },
  async (t) => {
    const unit = must(unitsOfHost({ agents: {} }).unitTexts, "daruma-ledgerd.service");
    t.match(unit, /^Restart="?always"?$/m);
    t.match(unit, /^StartLimitIntervalSec="?0"?$/m);
    t.match(unit, /^NotifyAccess="?all"?$/m);
    t.match(unit, /^WatchdogSec="?2min"?$/m);
    t.match(unit, /^Environment=.*PATH=/m, "with systemd-notify on it");
  },
);
