import t from "tap";
import { story } from "../policy/fixtures/story.ts";
import { judgementsOf } from "./judgements.ts";

t.test(
  "an agent that is being recovered is judged as it stands, by the rules that will decide",
  async (t) => {
    const s = story({ agents: { a: "a-1", b: "b-1" } }).proven();
    t.same(
      judgementsOf(s.state, { mono: s.mono, wall: 0 }),
      { schemaVersion: 1, judgements: [] },
      "nothing has failed",
    );
    s.deploy("/two", { agents: { a: "a-2", b: "b-1" } }).exits("a", 1);
    const incident = s.agent("a").incident?.id;
    t.match(judgementsOf(s.state, { mono: s.mono, wall: 0 }), {
      judgements: [{ agent: "a", incident, from: "/two", target: null, toNumber: null }],
    });
    const broken = () => {
      const document = judgementsOf(s.state, { mono: s.mono, wall: 0 }) as {
        judgements: { rules: { rule: string; holds: boolean }[] }[];
      };
      return document.judgements.flatMap(({ rules }) =>
        rules.filter(({ holds }) => !holds).map(({ rule }) => rule),
      );
    };
    t.same(broken(), ["restarts-exhausted"], "one failure is not enough; all else speaks for it");
  },
);
