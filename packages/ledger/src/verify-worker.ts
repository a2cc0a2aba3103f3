/** Checks blocks of lines on another processor. */
import { parentPort } from "node:worker_threads";
import { readSegment } from "./segment.ts";

parentPort?.on("message", (block: Uint8Array) => {
  parentPort?.postMessage(readSegment(Buffer.from(block.buffer, block.byteOffset, block.byteLength)));
});
