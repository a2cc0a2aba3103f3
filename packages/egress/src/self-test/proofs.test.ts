import * as fc from "fast-check";
import t from "tap";
import { type Proof, Proofs } from "./proofs.ts";
import type { Judgement } from "./ways.ts";

const passed: Judgement = { verdict: "passed", problems: [] };
const open: Judgement = { verdict: "open", problems: ["open: DNS"] };
const unclear: Judgement = { verdict: "unclear", problems: ["no answer"] };
const one = new Map([["web", "rules"]]);

t.test("nothing is proven before its test has passed, nor after something has changed", async (t) => {
  const proofs = new Proofs({ retryMs: 1_000 });
  const stateOf = (agent = "web") => proofs.of(agent).state;
  proofs.setAgents(one);
  t.equal(stateOf(), "untested");
  t.same(proofs.wanted(0), [], "without a wall there is nothing to test");
  t.equal(stateOf("nobody"), "none");
  proofs.setWall("first");
  const [first] = proofs.wanted(0);
  t.ok(first);
  proofs.setWall("second");
  t.notOk(proofs.found("web", first?.test ?? 0, passed, 0), "a test of what is no longer there");
  t.equal(stateOf(), "untested");
  const test = () => proofs.wanted(0)[0]?.test ?? -1;
  t.ok(proofs.found("web", test(), passed, 5));
  t.same(proofs.of("web"), { state: "proven", at: "1970-01-01T00:00:00.005Z" });
  t.same(proofs.wanted(1e9), []);
  proofs.setAgents(one);
  proofs.setWall("second");
  t.equal(stateOf(), "proven", "the same again changes nothing");
  proofs.setAgents(new Map([["web", "other rules"]]));
  t.equal(stateOf(), "untested");

  t.ok(proofs.found("web", test(), unclear, 0));
  t.match(proofs.of("web"), { state: "unclear", problems: ["no answer"] });
  t.same([proofs.wanted(999).length, proofs.wanted(1_000).length], [0, 1], "it is tried again, later");

  const again = proofs.wanted(1_000)[0]?.test ?? -1;
  t.ok(proofs.found("web", again, open, 0));
  proofs.setWall(null);
  t.equal(stateOf(), "open", "the wall goes because of it: that is still to be seen");
  proofs.setWall("third");
  t.equal(stateOf(), "untested");
  proofs.setAgents(new Map());
  t.equal(stateOf(), "none");
});

t.test("an agent is proven only by a test that passed after the last change", async (t) => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant("wall" as const), wall: fc.constantFrom(null, "a", "b") }),
    fc.record({ kind: fc.constant("rules" as const), rules: fc.constantFrom("r", "s") }),
    fc.record({ kind: fc.constant("ask" as const) }),
    fc.record({ kind: fc.constant("found" as const), judgement: fc.constantFrom(passed, open, unclear) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const proofs = new Proofs({ retryMs: 0 });
      let [wall, rules]: [string | null, string] = [null, ""];
      // The wall and the rules that the last test that was asked for is of.
      let asked: { readonly test: number; readonly of: string } | null = null;
      let isChanged = true;
      let proven = false;
      for (const each of steps) {
        if (each.kind === "wall" && each.wall !== wall) {
          wall = each.wall;
          [isChanged, proven] = [true, false];
        }
        if (each.kind === "rules" && each.rules !== rules) {
          rules = each.rules;
          [isChanged, proven] = [true, false];
        }
        if (each.kind === "wall") proofs.setWall(each.wall);
        if (each.kind === "rules") proofs.setAgents(new Map([["web", each.rules]]));
        if (each.kind === "ask") {
          const [wanted] = proofs.wanted(0);
          if (wanted === undefined) continue;
          asked = { test: wanted.test, of: `${wall} ${rules}` };
          isChanged = false;
        }
        if (each.kind === "found" && asked !== null) {
          const counts = proofs.found("web", asked.test, each.judgement, 0);
          if (isChanged && counts) return false;
          if (counts) proven = each.judgement.verdict === "passed";
        }
        const proof: Proof = proofs.of("web");
        if ((proof.state === "proven") !== proven) return false;
      }
      return true;
    }),
  );
  t.pass();
});
