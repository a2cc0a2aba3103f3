import { readFileSync } from "node:fs";
import { type AgentInput, type HostManifest, parseManifest } from "@daruma/config";
import t from "tap";
import { must, type Units, unitsOf, withoutNix } from "./support.ts";

const other: AgentInput = { command: ["/usr/bin/other"] };
const enricher: AgentInput = {
  command: ["/usr/bin/enricher"],
  egress: ["api.example.com:443", { host: "db", port: 5432, private: true, forward: 15432 }],
};

const manifestOf = (units: Units): HostManifest => parseManifest(must(units.etc, "daruma/host.json").text);

t.test(
  "the wall is as it was reviewed, and there only where rules are enforced",
  { skip: withoutNix },
  async (t) => {
    const golden = readFileSync(new URL("golden/egress.nft", import.meta.url), "utf8");
    const egress = ["a.example:443"];
    const [walled, more, observed, none] = unitsOf([
      { agents: { enricher, other } },
      { agents: { enricher, other: { ...other, egress } } },
      { agents: { enricher, other }, host: { egress: { mode: "observe" } } },
      { agents: { other } },
    ]);
    if (!walled || !more || !observed || !none) throw new Error("four hosts give four results");
    t.equal(must(walled.etc, "daruma/egress.nft").text, golden);
    const wallOf = ({ unitTexts }: Units) => Object.keys(unitTexts).filter((name) => name.includes("egress"));
    t.same(wallOf(walled).sort(), [
      "daruma-egress-probe-routine@.service",
      "daruma-egress-probe@.service",
      "daruma-egress-self-test.path",
      "daruma-egress-self-test.service",
      "daruma-egress-wall.service",
      "daruma-egress-watch.service",
      "daruma-egressd.service",
    ]);
    // What is proven of the probe has to be so of the agent: one user, one sandbox.
    const settingsOf = (name: string) => new Set(must(walled.unitTexts, name).split("\n"));
    const [agent, probe] = ["daruma-agent-enricher.service", "daruma-egress-probe@.service"].map(settingsOf);
    t.same(
      [...(probe ?? [])].filter((line) => line !== "" && !agent?.has(line.replace("=da-%i", "=da-enricher"))),
      [
        "CollectMode=inactive-or-failed",
        "Description=Daruma egress: what agent %i can reach",
        "ExecStart=/stub/daruma/libexec/daruma/egress-self-test probe",
        "StandardError=journal",
        "StandardInput=file:/run/daruma-egress-self-test/%i.in",
        "StandardOutput=truncate:/run/daruma-egress-self-test/%i.out",
        "TimeoutStartSec=30s",
        "Type=oneshot",
        "X-RestartIfChanged=false",
      ],
    );
    t.same(wallOf(observed), ["daruma-egressd.service"]);
    t.notOk("daruma/egress.nft" in observed.etc);
    t.notMatch(must(observed.unitTexts, "daruma-agent-enricher.service"), /egress-wall|IPAddressDeny/);
    t.match(must(observed.unitTexts, "daruma-agent-enricher.service"), /HTTP_PROXY/);
    t.same(wallOf(none), []);
    t.notMatch(must(none.unitTexts, "daruma-agent-other.service"), /egress|PROXY/);
    // One more behind the wall: it is loaded anew in place, and nothing else changes.
    t.same(
      Object.keys(walled.unitTexts).filter((name) => more.unitTexts[name] !== walled.unitTexts[name]),
      ["daruma-agent-other.service", "daruma-egress-wall.service"],
    );
    const withoutTrigger = ({ unitTexts }: Units) =>
      must(unitTexts, "daruma-egress-wall.service").replace(/X-Reload-Triggers=.*/, "");
    t.equal(withoutTrigger(more), withoutTrigger(walled), "but for what makes a switch reload it");
    t.equal(manifestOf(more).hostDigest, manifestOf(walled).hostDigest);
  },
);
