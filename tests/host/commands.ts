/** Asks the program in a test host that runs commands there; the other side is machine/commands.pl. */
import { once } from "node:events";
import { connect } from "node:net";
import { systemCode } from "@daruma/base";

export interface Request {
  readonly argv: readonly string[];
  /** All that the command has. */
  readonly environment: Readonly<Record<string, string>>;
  /** Standard input. */
  readonly input: string | Uint8Array;
  /** When it is ended, at the latest. Whole numbers only: less than one is one. */
  readonly seconds: number;
}

export interface Answer {
  /** 128 and the signal's number if a signal has ended it; -1 if the host went away meanwhile. */
  readonly exitCode: number;
  readonly isLate: boolean;
  readonly stdout: string;
  readonly stderr: string;
}

const gone: readonly (string | undefined)[] = ["ECONNREFUSED", "ECONNRESET", "ENOENT", "EPIPE"];

export async function ask(socket: string, request: Request): Promise<Answer> {
  const { argv, environment, seconds } = request;
  const input = Buffer.from(request.input);
  const variables = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
  const header = `${Math.max(1, Math.ceil(seconds))} ${argv.length} ${variables.length} ${input.length}\n`;
  const words = [...argv, ...variables].map((word) => `${word}\0`).join("");
  const chunks: Buffer[] = [];
  try {
    const connection = connect(socket);
    await once(connection, "connect");
    // At once: what answers before it has read the last byte is gone when that byte comes, and its answer is lost.
    connection.write(Buffer.concat([Buffer.from(header + words), input]));
    for await (const chunk of connection) chunks.push(chunk);
  } catch (error) {
    if (!gone.includes(systemCode(error))) throw error;
  }
  return answerOf(Buffer.concat(chunks));
}

function answerOf(bytes: Buffer): Answer {
  const end = bytes.indexOf("\n");
  const [exitCode = -1, late = 0, out = 0, err = 0] =
    end === -1 ? [] : bytes.toString("latin1", 0, end).split(" ").map(Number);
  const from = end + 1;
  if (end === -1 || bytes.length < from + out + err)
    return { exitCode: -1, isLate: false, stdout: "", stderr: "the host went away\n" };
  return {
    exitCode,
    isLate: late === 1,
    stdout: bytes.toString("utf8", from, from + out),
    stderr: bytes.toString("utf8", from + out, from + out + err),
  };
}
