import { escalate, startAnew, tryLater } from "./escalation.ts";
import type { Event } from "./events.ts";
import { converge } from "./generation.ts";
import { quarantine } from "./rollback.ts";
import { declaredPolicy, earlierPolicy, noteTakenOff, policyOf } from "./stand-in.ts";
import { type AgentState, nothingLearned } from "./state.ts";
import { agentOf, patch, patchAgent, record, type Turn } from "./turn.ts";

type Of<T extends Event["type"]> = Extract<Event, { type: T }>;

/** The agent alone goes back: its earlier settings are put in force, and the generation is not trusted again. */
export function onEarlierFound(turn: Turn, { agent: name, id, manifest }: Of<"earlier-found">): void {
  const agent = agentOf(turn, name);
  const { generation } = turn.state;
  if (agent?.goingBack?.id !== id || generation === null) return;
  const { goingBack } = agent;
  patchAgent(turn, name, { goingBack: null });
  const { incident } = agent;
  // It came up again by other hands, or was stopped: then that counts.
  if (!isWaiting(agent) || incident === null || turn.state.draining) {
    converge(turn, name);
    return;
  }
  // The whole system is on its way out, and takes the agent with it. To start it again would help only one that can be helped.
  if (turn.state.rollback !== null) {
    if (agent.misconfigured) escalate(turn, name);
    else tryLater(turn, name);
    return;
  }
  const declared = declaredPolicy(agent);
  const before = turn.state.wentBackAlone[generation.path] ?? [];
  patch(turn, {
    wentBackAlone: { ...turn.state.wentBackAlone, [generation.path]: [...before, name] },
  });
  const { path, number } = generation;
  quarantine(turn, { path, number, agent: name, digest: declared.digest, incident: incident.id });
  startAnew(turn, name, {
    kind: "earlier",
    generation: goingBack.generation,
    number: goingBack.number,
    policy: earlierPolicy(policyOf(manifest), declared),
  });
}

/** The old settings are not to be had: they are struck off if they are damaged for good, and the next tier is judged. */
export function onEarlierRefused(turn: Turn, event: Of<"earlier-refused">): void {
  const { agent: name, id, damaged, problems } = event;
  const agent = agentOf(turn, name);
  const { generation } = turn.state;
  if (agent?.goingBack?.id !== id || generation === null) return;
  const { goingBack } = agent;
  patchAgent(turn, name, { goingBack: null });
  const others = turn.state.rejected.filter((path) => path !== goingBack.generation);
  if (damaged) patch(turn, { rejected: [...others, goingBack.generation] });
  else {
    // Why it cannot be had will be so the next time as well.
    const { path } = generation;
    const { wentBackAlone, keptFromAlone } = turn.state;
    patch(turn, {
      wentBackAlone: { ...wentBackAlone, [path]: [...(wentBackAlone[path] ?? []), name] },
      keptFromAlone: {
        ...keptFromAlone,
        [path]: { ...keptFromAlone[path], [name]: problems[0] ?? "nothing says why" },
      },
    });
  }
  record(turn, {
    action: "agent.stand-in-refused",
    subject: name,
    incident: agent.incident?.id,
    severity: "critical",
    details: { generation: goingBack.generation, damaged, problems: [...problems] },
  });
  if (isWaiting(agent) && !turn.state.draining) escalate(turn, name);
  else converge(turn, name);
}

function isWaiting({ phase, restartAt, declared, run, startingRun, stoppedBy }: AgentState): boolean {
  const isDown = run === null && startingRun === null;
  // After a reboot nothing is in backoff any more.
  const isIdle = phase === "stopped" || (phase === "backoff" && restartAt === null);
  return isDown && declared && stoppedBy === null && isIdle;
}

/** A person vouches for the generation that is current: its agents get another chance as it declares them. */
export function takeAllOff(turn: Turn): void {
  for (const [name, agent] of Object.entries(turn.state.agents)) {
    if (agent.standIn === null && agent.goingBack === null) continue;
    const idle = agent.run === null && agent.startingRun === null && agent.phase !== "stopping";
    patchAgent(turn, name, {
      policy: declaredPolicy(agent),
      standIn: null,
      // The answer, when it comes, is to a question that nobody asks any more.
      goingBack: null,
      ...nothingLearned,
      ...(idle && agent.stoppedBy === null ? { phase: "stopped", restartAt: null } : {}),
    });
    if (agent.standIn !== null) noteTakenOff(turn, name, agent.standIn, "allowed");
    converge(turn, name);
  }
}
