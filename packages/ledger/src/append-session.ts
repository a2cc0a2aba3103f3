import type { Duplex } from "node:stream";
import type { Committer } from "./committer.ts";
import { maxEntryBytes } from "./entry.ts";
import { tooLarge } from "./group.ts";
import { LineSplitter } from "./lines.ts";
import { appendProtocol, idOfStart, parseAppend, printError, printOutcome } from "./request.ts";

export interface SessionContext {
  readonly writer: string;
  readonly host: string;
  readonly committer: Committer;
}

/** Answers that a client may leave unread before ledgerd stops reading from it. */
const maxUnreadBytes = 1024 * 1024;

/** One connection that appends: requests and answers are JSON lines, answers come in any order. */
export class AppendSession {
  readonly #socket: Duplex;
  readonly #context: SessionContext;
  readonly #lines: LineSplitter;
  #answers = "";
  #pending = 0;
  #ended = false;

  /** `head` is what the client has sent right behind its upgrade request. */
  constructor(socket: Duplex, head: Buffer, context: SessionContext) {
    this.#socket = socket;
    this.#context = context;
    this.#lines = new LineSplitter(maxEntryBytes, {
      onLine: (bytes) => this.#take(bytes),
      onTooLong: (start) => this.#send(printError(idOfStart(start), tooLarge())),
    });
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${appendProtocol}\r\n\r\n`,
    );
    // Requests of a client that is gone are carried out all the same; only their answers have nowhere to go.
    socket.on("error", () => socket.destroy());
    socket.on("data", (chunk: Buffer) => this.#read(chunk));
    socket.on("end", () => this.#end());
    socket.on("drain", () => this.#resume());
    this.#read(head);
  }

  /** Resolves once the connection is gone. Answers already given are sent, for at most `withinMs`. */
  async stop(withinMs: number): Promise<void> {
    if (this.#socket.destroyed) return;
    const closed = new Promise((resolve) => this.#socket.once("close", resolve));
    const timer = setTimeout(() => this.#socket.destroy(), withinMs);
    this.#socket.pause();
    this.#flush();
    this.#socket.end(() => this.#socket.destroy());
    await closed;
    clearTimeout(timer);
  }

  #read(chunk: Buffer): void {
    this.#lines.push(chunk);
    if (this.#context.committer.full) {
      this.#socket.pause();
      this.#context.committer.onRoom(() => this.#resume());
    } else if (this.#socket.writableLength > maxUnreadBytes) {
      this.#socket.pause();
    }
  }

  #resume(): void {
    if (this.#context.committer.full || this.#socket.writableLength > maxUnreadBytes) return;
    this.#socket.resume();
  }

  #take(bytes: Buffer): void {
    const { writer, host, committer } = this.#context;
    const request = parseAppend(bytes, writer, host);
    if (request.error !== null) {
      if (request.key !== null) committer.hold(writer, request.key);
      this.#send(printError(request.id, request.error));
      return;
    }
    const { id, prepared, key } = request;
    this.#pending += 1;
    committer.submit({
      writer,
      prepared,
      key,
      bytes: bytes.length,
      answer: (outcome) => {
        this.#pending -= 1;
        this.#send(printOutcome(id, outcome));
      },
    });
  }

  /** All answers of one group leave in one write. */
  #send(answer: string): void {
    if (this.#answers === "") process.nextTick(() => this.#flush());
    this.#answers += answer;
  }

  #flush(): void {
    const answers = this.#answers;
    this.#answers = "";
    if (this.#socket.writableEnded || this.#socket.destroyed) return;
    if (answers !== "") this.#socket.write(answers);
    if (this.#ended && this.#pending === 0) this.#socket.end();
  }

  #end(): void {
    this.#ended = true;
    process.nextTick(() => this.#flush());
  }
}
