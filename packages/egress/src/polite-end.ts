import type { Socket } from "node:net";

/** How long a client that was refused may take to read why. */
const patienceMs = 2_000;

/**
 * Ends a connection with last words. What the client still sends is read and dropped: closing a socket with unread bytes
 * resets the connection (RFC 1122 4.2.2.13), and the client would lose the words with it.
 */
export function endWith(socket: Socket, bytes: string | Uint8Array): void {
  const timer = setTimeout(() => socket.destroy(), patienceMs);
  socket.once("close", () => clearTimeout(timer));
  socket.once("end", () => socket.destroySoon());
  socket.end(bytes);
  socket.resume();
}
