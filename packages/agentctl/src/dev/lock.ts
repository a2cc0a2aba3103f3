import { callUnix, isDarumaError, serveUnix, type UnixServer } from "@daruma/base";
import { agentctlErrors } from "../catalogue.ts";
import { type Sockets, socketsIn } from "../instance/layout.ts";

/** What a running `agentctl dev` says of itself. */
export interface DevDocument {
  readonly schemaVersion: 1;
  readonly pid: number;
  readonly config: string;
  readonly state: string;
  readonly startedAt: string;
}

/**
 * Makes sure that one `agentctl dev` works on a state directory: its socket is the lock, which a dead one cannot hold.
 *
 * @param linked the runtime directory of an earlier one, which may have had another XDG_RUNTIME_DIR
 * @throws DEV_E_ALREADY_RUNNING, SOCKET_E_UNUSABLE
 */
export async function lockState(
  sockets: Sockets,
  linked: string | null,
  self: DevDocument,
): Promise<UnixServer> {
  if (linked !== null && linked !== sockets.directory) await refuseIfAlive(socketsIn(linked).dev, self.state);
  try {
    return await serveUnix({
      path: sockets.dev,
      routes: { "GET /v1/dev": async () => self },
      onBug: (error) => {
        throw error;
      },
    });
  } catch (error) {
    if (!isDarumaError(error) || error.code !== "SOCKET_E_IN_USE") throw error;
    await refuseIfAlive(sockets.dev, self.state);
    throw error;
  }
}

async function refuseIfAlive(socket: string, state: string): Promise<void> {
  const other = await ask(socket);
  if (other === null) return;
  const who = other === "silent" ? "another process" : `process ${other.pid}, for ${other.config},`;
  throw agentctlErrors.make("DEV_E_ALREADY_RUNNING", `${who} already works on ${state}`, { where: state });
}

async function ask(socket: string): Promise<DevDocument | "silent" | null> {
  try {
    const document = await callUnix({ path: socket, method: "GET", route: "/v1/dev", timeoutMs: 2_000 });
    return document as DevDocument;
  } catch (error) {
    return isDarumaError(error) && error.code === "SOCKET_E_UNREACHABLE" ? null : "silent";
  }
}
