import type { IncomingMessage } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import { openUnix } from "@daruma/base";

/** Agent -> an upstream of it that is down for several agents. */
export type DownUpstreams = Readonly<Record<string, string>>;

export interface UpstreamsOptions {
  /** egressd's. It may not be there: where no agent is confined, no egressd is. */
  readonly socket: string;
  /** Told of each change. */
  readonly tell: (down: DownUpstreams) => void;
  /** After how long egressd is asked again when it was not there, in ms. Default 2,000. */
  readonly retryMs?: number;
}

const firstWithinMs = 1_000;

/**
 * Follows what egressd says of upstreams. Resolves once it has said something, or is not there: so that what is found to
 * have failed at the start is judged with it. An egressd that is gone explains no failure.
 */
export async function followUpstreams(options: UpstreamsOptions): Promise<{ close(): void }> {
  const ending = new AbortController();
  const first = Promise.withResolvers<void>();
  const follow = async () => {
    while (!ending.signal.aborted) {
      await listen(options, first.resolve, ending.signal).catch(() => undefined);
      first.resolve();
      await delay(options.retryMs ?? 2_000, undefined, { ref: false, signal: ending.signal }).catch(
        () => undefined,
      );
    }
  };
  void follow();
  await Promise.race([first.promise, delay(firstWithinMs, undefined, { signal: ending.signal })]);
  return { close: () => ending.abort() };
}

async function listen(
  { socket, tell }: UpstreamsOptions,
  heard: () => void,
  signal: AbortSignal,
): Promise<void> {
  const response = await openUnix({ path: socket, method: "GET", route: "/v1/upstreams", timeoutMs: 5_000 });
  const end = () => response.destroy();
  signal.addEventListener("abort", end, { once: true });
  let isTold = false;
  try {
    for await (const line of linesOf(response)) {
      const down = read(line);
      isTold ||= Object.keys(down).length > 0;
      if (isTold) tell(down);
      heard();
    }
  } finally {
    signal.removeEventListener("abort", end);
    if (isTold && !signal.aborted) tell({});
  }
}

/** Not readline, whose interface emits the errors of its input where nobody listens. */
async function* linesOf(response: IncomingMessage): AsyncGenerator<string> {
  response.setEncoding("utf8");
  let rest = "";
  for await (const chunk of response) {
    const lines = `${rest}${chunk}`.split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
}

/** What is none of its documents explains nothing. */
function read(line: string): DownUpstreams {
  const { schemaVersion, down }: Record<string, unknown> = Object(JSON.parse(line));
  if (schemaVersion !== 1 || !Array.isArray(down)) return {};
  const pairs = down.flatMap((each: unknown) => {
    const { target, agents }: Record<string, unknown> = Object(each);
    return typeof target === "string" && Array.isArray(agents)
      ? agents.map((agent): [string, string] => [String(agent), target])
      : [];
  });
  return Object.fromEntries(pairs);
}
