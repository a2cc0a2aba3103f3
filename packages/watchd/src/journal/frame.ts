import { crc32 } from "node:zlib";

/**
 * Layout of a journal file, all numbers little-endian:
 *
 *     0         file magic, 16 bytes, the last of them the version
 *     512       the mark: a frame that says which later epoch, in the other file, has replaced this file's
 *     1024      the snapshot frame, which begins this file's epoch
 *     …         record frames, one after the other
 *
 * A frame is a header (CRC-32 of all that follows, payload length, kind, epoch, sequence, durable sequence) and its
 * payload. The epoch in each frame keeps what an earlier use of the file left behind from being taken for a
 * continuation. `durable` is the last sequence that was on disk when the frame was written: a frame that is readable
 * behind one that is not tells by it whether something acknowledged was lost or a write was only torn.
 *
 * The three parts start at sectors of their own; a disk is taken to write a sector of 512 bytes whole or not at all.
 */
export const markOffset = 512;
export const snapshotOffset = 1024;
export const headerBytes = 36;

const magicPrefix = Buffer.from("daruma-journal\0", "latin1");
export const magic = Buffer.concat([magicPrefix, Buffer.of(1)]);

export type FrameKind = "mark" | "snapshot" | "record";

const epochAt = 12;
const kinds: readonly FrameKind[] = ["mark", "snapshot", "record"];

export interface FrameHead {
  readonly kind: FrameKind;
  readonly epoch: number;
  /** 0 for the snapshot of the epoch, then 1, 2, … */
  readonly seq: number;
  readonly durable: number;
}

export interface Frame extends FrameHead {
  readonly payload: Buffer;
  /** Offset of the first byte behind the frame. */
  readonly end: number;
}

export function encodeFrame(head: FrameHead, payload: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(headerBytes + payload.length);
  frame.writeUInt32LE(payload.length, 4);
  frame.writeUInt32LE(kinds.indexOf(head.kind), 8);
  frame.writeBigUInt64LE(BigInt(head.epoch), epochAt);
  frame.writeBigUInt64LE(BigInt(head.seq), 20);
  frame.writeBigUInt64LE(BigInt(head.durable), 28);
  frame.set(payload, headerBytes);
  frame.writeUInt32LE(crc32(frame.subarray(4)), 0);
  return frame;
}

/** The frame at `offset`, or `null` where there is none that is whole. */
export function decodeFrame(file: Buffer, offset: number): Frame | null {
  if (offset + headerBytes > file.length) return null;
  const end = offset + headerBytes + file.readUInt32LE(offset + 4);
  const kind = kinds[file.readUInt32LE(offset + 8)];
  if (kind === undefined || end > file.length) return null;
  if (crc32(file.subarray(offset + 4, end)) !== file.readUInt32LE(offset)) return null;
  return {
    kind,
    epoch: Number(file.readBigUInt64LE(offset + epochAt)),
    seq: Number(file.readBigUInt64LE(offset + 20)),
    durable: Number(file.readBigUInt64LE(offset + 28)),
    payload: file.subarray(offset + headerBytes, end),
    end,
  };
}

/** Every readable record of this epoch from `offset` on, found by looking at each byte. */
export function* findRecords(file: Buffer, offset: number, epoch: number): Generator<Frame> {
  const needle = Buffer.alloc(8);
  needle.writeBigUInt64LE(BigInt(epoch));
  let at = file.indexOf(needle, offset + epochAt);
  while (at !== -1) {
    const frame = decodeFrame(file, at - epochAt);
    if (frame?.kind === "record" && frame.epoch === epoch) {
      yield frame;
      at = file.indexOf(needle, frame.end + epochAt);
    } else {
      at = file.indexOf(needle, at + 1);
    }
  }
}

/** How a file begins: as ours, as one of a release that knows another format, or as neither. */
export function fileVersion(file: Buffer): "ours" | "other" | "none" {
  if (!file.subarray(0, magicPrefix.length).equals(magicPrefix)) return "none";
  return file[magicPrefix.length] === magic[magicPrefix.length] ? "ours" : "other";
}

/** Whether nothing but the magic was ever written to the file. */
export function isBlank(file: Buffer): boolean {
  const body = file.subarray(markOffset);
  return body.equals(Buffer.alloc(body.length));
}
