import type { Supervisor } from "../supervisor/supervisor.ts";
import type { Helpers } from "./machine.ts";

/** Beyond every grace time that is usual; one that takes longer is judged by the next look. */
const anotherRunWithinMs = 60_000;

export function createHelpers(supervisor: Pick<Supervisor, "state" | "dispatch" | "until">): Helpers {
  return {
    async restart(agent, runId) {
      const run = supervisor.state.agents[agent]?.run?.runId;
      // It has ended already, or runs as another one: what starts next starts as declared.
      if (run === undefined || (runId !== null && run !== runId)) return null;
      supervisor.dispatch({
        type: "replace-asked",
        agent,
        runId: run,
        why: "it is not as its generation declares it",
      });
      const other = supervisor.until((state) => {
        const now = state.agents[agent]?.run?.runId;
        return now !== undefined && now !== run;
      });
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<string>((resolve) => {
        timer = setTimeout(
          () => resolve(`${agent} has not begun anew within ${anotherRunWithinMs / 1_000} s`),
          anotherRunWithinMs,
        );
      });
      const problem = await Promise.race([other.then(() => null), late]);
      clearTimeout(timer);
      return problem;
    },
  };
}
