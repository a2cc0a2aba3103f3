import t from "tap";
import { LoadedUnits } from "./loaded-units.ts";
import { parseStates } from "./states.ts";

const web = "daruma-agent-web.service";
const declared = {
  names: new Set([web, "daruma-agent-x@.service", "sshd.service"]),
  restartable: new Set([web]),
};

/** As `systemctl show` prints it. */
function show(
  dropIns: string,
  more: { readonly fragment?: string; readonly reload?: string; readonly unit?: string } = {},
) {
  const { fragment = `/etc/systemd/system/${web}`, reload = "no", unit = web } = more;
  return `Id=${unit}\nNeedDaemonReload=${reload}\nFragmentPath=${fragment}\nDropInPaths=${dropIns}\n`;
}

function look(text: string, told: readonly string[] = []) {
  const loaded = new LoadedUnits();
  loaded.turn(declared);
  return loaded.differences({
    declared,
    states: parseStates(text),
    told: new Set(told),
    store: "/nix/store",
  });
}

t.test("what systemd has loaded of a unit is compared with what is declared", async (t) => {
  const own = `/run/systemd/system/${web}.d/50-daruma.conf`;
  const limits = `/run/systemd/system.control/${web}.d/50-MemoryMax.conf`;
  t.same(look(show("")), []);
  t.same(look(show(`/etc/systemd/system/${web}.d/overrides.conf /nix/store/x/a.conf`)), []);
  t.same(look(show(own)), [], "watchd's own is known");
  t.match(look(show(own, { unit: "daruma-watchd.service" })), [{ at: own }], "for its own unit");
  t.match(look(show(`${own} ${limits}`)), [
    {
      kind: "state",
      at: limits,
      observed: [`loaded for ${web}`],
      remedy: { kind: "remove", path: limits, units: [web] },
    },
  ]);
  t.same(look(show(limits), [limits]), [], "a file that is there is told of by itself");
  t.match(look(show("/run/systemd/system/x.d/my own.conf /run/systemd/system/x.d/b.conf")), [
    { at: "/run/systemd/system/x.d/b.conf" },
    { at: "/run/systemd/system/x.d/my own.conf" },
  ]);
  t.match(look(show("", { fragment: `/run/systemd/transient/${web}` })), [{ remedy: { kind: "remove" } }]);
  t.match(look(show("", { fragment: `/opt/${web}` })), [{ remedy: { kind: "none" } }], "nothing is moved");
  t.match(look(show("", { reload: "yes" })), [{ at: web, remedy: { kind: "reload" } }]);
  t.equal(look(show(limits, { reload: "yes" })).length, 1, "the one puts the other right");
  t.same(look(show("", { reload: "yes" }), [web]), [], "a unit whose state is told of already");
  const both = `${show("/run/systemd/system/service.d/a.conf")}\n${show("/run/systemd/system/service.d/a.conf", { unit: "daruma-x.service" })}`;
  t.match(look(both), [
    { observed: [`loaded for ${web}`, "loaded for daruma-x.service"], remedy: { units: [web] } },
  ]);
});

t.test("many units take turns, and one that differs is looked at each time until it does not", async (t) => {
  const name = (n: number) => `daruma-agent-a${String(n).padStart(3, "0")}.service`;
  const names = new Set(Array.from({ length: 150 }, (_, n) => name(n)));
  const many = { names, restartable: new Set<string>() };
  const loaded = new LoadedUnits();
  const turn = (reload = "no") => {
    const asked = loaded.turn(many);
    const text = asked.map((unit) => show("", { unit, reload: unit === name(3) ? reload : "no" })).join("\n");
    const found = loaded.differences({
      declared: many,
      states: parseStates(text),
      told: new Set(),
      store: "/s",
    });
    return { asked, found: found.map(({ at }) => at) };
  };
  const [first, second, third, fourth] = [turn("yes"), turn("yes"), turn(), turn()];
  t.same(first.found, [name(3)]);
  t.same(second.found, [name(3)]);
  t.same(third.found, []);
  t.notOk(fourth.asked.length > 64);
  t.same(new Set([first, second, third].flatMap(({ asked }) => asked)), names);
  t.same(loaded.turn({ names: new Set([name(1)]) }), [name(1)], "another generation has other units");
});
