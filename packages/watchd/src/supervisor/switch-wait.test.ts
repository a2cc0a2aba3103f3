import t from "tap";
import { createSwitchWait } from "./switch-wait.ts";

t.test("where no switch is under way nobody waits, and nothing is read anew", async (t) => {
  let refreshed = 0;
  const wait = createSwitchWait({ switching: async () => false }, async () => {
    refreshed += 1;
  });
  await wait();
  t.equal(refreshed, 0);
});

t.test(
  "in mid-switch all wait until it has ended and its generation is told, which is done once",
  async (t) => {
    let switching = true;
    let asked = 0;
    let refreshed = 0;
    const generations = {
      switching: async () => {
        asked += 1;
        return switching;
      },
    };
    const wait = createSwitchWait(generations, async () => {
      refreshed += 1;
    });
    let through = 0;
    const waiting = [1, 2, 3].map(() => wait().then(() => (through += 1)));
    while (asked < 6) await new Promise(setImmediate);
    t.equal(through, 0);
    switching = false;
    await Promise.all(waiting);
    t.equal(through, 3);
    t.equal(refreshed, 1);
    await wait();
    t.equal(refreshed, 1);
  },
);
