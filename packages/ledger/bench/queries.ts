/** How long answers from the indexes of a large ledger take, through the socket. */
import { type EntryDraft, type EntryFilter, ledgerValues, readEntries } from "../src/index.ts";
import { details, type Rate, rateOf } from "./appends.ts";

const agents = 200;
const entriesOfRun = 40;
const actions = [
  "agent.start",
  "agent.exit",
  "agent.restart",
  "recovery.verified",
  "data.consume",
  "data.produce",
];

/** The n-th entry of a fleet of 200 agents: runs of 40 entries, an incident in every fifth of them, half of it lineage. */
export function fleetDraft(n: number): EntryDraft {
  const action = actions[n % actions.length] ?? "";
  const run = Math.floor(n / entriesOfRun);
  const about = { run: `run-${run}`, ...(run % 5 === 0 ? { incident: `inc-${run}` } : {}) };
  if (!action.startsWith("data.")) return { action, subject: `agent-${run % agents}`, ...about, details };
  const id = `records/${n % 100_000}`;
  return {
    action,
    subject: `file:${id}`,
    ...about,
    details: { type: "file", id, agent: `agent-${run % agents}` },
  };
}

interface Question {
  readonly name: string;
  readonly ask: (pick: (below: number) => number) => Promise<number>;
}

export interface QueryRate extends Rate {
  readonly name: string;
  /** Entries in an answer, on average. */
  readonly answered: number;
}

/** Each question so many times, with other values each time. */
export async function measureQueries(
  socket: string,
  entries: number,
  times: { readonly first: string; readonly last: string },
  repeats: number,
): Promise<readonly QueryRate[]> {
  const find = async (
    filter: EntryFilter,
    range: { readonly newest?: number; readonly limit?: number } = {},
  ) => {
    let count = 0;
    for await (const _ of readEntries({ socket, filter, ...range })) count += 1;
    return count;
  };
  const runs = Math.floor(entries / entriesOfRun);
  const [from, to] = [Date.parse(times.first), Date.parse(times.last)];
  const at = (share: number) => new Date(from + (to - from) * share).toISOString();
  const questions: readonly Question[] = [
    { name: "one run, all of it", ask: (pick) => find({ run: `run-${pick(runs)}` }) },
    { name: "one incident, all of it", ask: (pick) => find({ incident: `inc-${pick(runs / 5) * 5}` }) },
    {
      name: "one agent, newest 20",
      ask: (pick) => find({ subject: `agent-${pick(agents)}` }, { newest: 20 }),
    },
    { name: "one record, all of it", ask: (pick) => find({ subject: `file:records/${pick(100_000)}` }) },
    {
      name: "one agent's exits, newest 20",
      ask: (pick) => find({ subject: `agent-${pick(agents)}`, action: "agent.exit" }, { newest: 20 }),
    },
    { name: "actions agent.*, newest 20", ask: () => find({ action: "agent.*" }, { newest: 20 }) },
    {
      name: "from a time on, first 100",
      ask: (pick) => find({ since: at(pick(1000) / 1000) }, { limit: 100 }),
    },
    {
      name: "one agent in a hundredth of the time",
      ask: (pick) => {
        const begin = pick(99) / 100;
        return find({ subject: `agent-${pick(agents)}`, since: at(begin), until: at(begin + 0.01) });
      },
    },
    { name: "an actor who is not there", ask: () => find({ actor: "nobody" }) },
    { name: "newest 20 incidents", ask: async () => (await ledgerValues({ socket }, "incident", 20)).length },
  ];
  const rates: QueryRate[] = [];
  let random = 1;
  const pick = (below: number) => {
    random = (random * 48_271) % 2_147_483_647;
    return Math.floor((random / 2_147_483_647) * Math.max(1, Math.floor(below)));
  };
  for (const { name, ask } of questions) {
    const waits: number[] = [];
    let answered = 0;
    const began = performance.now();
    for (let left = repeats; left > 0; left -= 1) {
      const start = performance.now();
      answered += await ask(pick);
      waits.push(performance.now() - start);
    }
    rates.push({ name, answered: answered / repeats, ...rateOf(waits, performance.now() - began) });
  }
  return rates;
}
