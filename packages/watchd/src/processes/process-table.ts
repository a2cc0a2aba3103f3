import { closeSync, openSync, readdirSync, readFileSync, readSync } from "node:fs";
import { systemCode } from "@daruma/base";

/** What /proc tells of one process. Pids come back; pid and start time together do not. */
export interface ProcessInfo {
  readonly pid: number;
  readonly group: number;
  readonly session: number;
  /** Clock ticks since boot, 10 ms each: field 22 of proc_pid_stat(5). */
  readonly startTicks: number;
  /** A zombie is not: it runs nothing and only waits for its parent to look. */
  readonly alive: boolean;
  readonly kernelThread: boolean;
  /** How a zombie ended, as in wait(2). Zero also where the kernel does not let us see it. */
  readonly waitStatus: number;
  /** Of user and system time, with that of children who were waited for; in ticks of 10 ms each. */
  readonly cpuTicks: number;
  readonly tasks: number;
  readonly residentPages: number;
}

export type ProcessTable = ReadonlyMap<number, ProcessInfo>;

/** USER_HZ, which the kernel fixes at 100 for every architecture that Node runs on. */
export const ticksPerSecond = 100;

/** PF_KTHREAD of the kernel's include/linux/sched.h. */
const kernelThreadFlag = 0x00200000;

const [closingParenthesis, minus, zero, zombie, dead] = [0x29, 0x2d, 0x30, 0x5a, 0x58] as const;

/** AT_PAGESZ of <elf.h>. */
const pageSizeType = 6n;

// Everything here is synchronous and shares one buffer: a pass over 1,000 processes costs some 10 ms, a third of what it
// would through the thread pool, and nothing can happen to our own children between its first and its last look.
const buffer = Buffer.allocUnsafeSlow(4096);
/** The numbers of one line of proc_pid_stat(5), from field 4 on: it has 52 fields, and later kernels may have more. */
const numbers = new Float64Array(64);

/**
 * Every process that may be seen, in one pass.
 *
 * @param except processes that nothing has to be known of: of a thousand agents, whose ends come as events, each look is saved
 * @throws the system error where /proc cannot be read (no file descriptors left): an empty table would read as "all dead".
 */
export function readProcessTable(except: ReadonlySet<number> = new Set()): ProcessTable {
  const table = new Map<number, ProcessInfo>();
  for (const name of readdirSync("/proc")) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || except.has(pid)) continue;
    const info = readProcess(pid);
    if (info !== null) table.set(pid, info);
  }
  return table;
}

/** `null` when there is no such process, or it is one that we may not look at. */
export function readProcess(pid: number): ProcessInfo | null {
  return visible(() => {
    const descriptor = openSync(`/proc/${pid}/stat`, "r");
    try {
      return parseStat(pid, buffer, readSync(descriptor, buffer, 0, buffer.length, 0));
    } finally {
      closeSync(descriptor);
    }
  });
}

/** The process that has this pid and this start time, if it is alive. */
export function findAlive(pid: number, startTicks: number): ProcessInfo | null {
  const info = readProcess(pid);
  return info?.alive === true && info.startTicks === startTicks ? info : null;
}

/** The environment that the process was executed with; `null` when it is gone or not ours to read. */
export function readEnvironment(pid: number): string | null {
  return visible(() => readFileSync(`/proc/${pid}/environ`, "utf8"));
}

let knownPageBytes: number | null = null;

/**
 * The kernel's page size, in which proc_pid_stat(5) counts resident memory: AT_PAGESZ of getauxval(3), from proc_pid_auxv(5).
 *
 * @throws the system error where /proc cannot be read
 */
export function pageBytes(): number {
  knownPageBytes ??= pageSizeIn(readFileSync("/proc/self/auxv"));
  return knownPageBytes;
}

/** Pairs of a type and a value, each of 64 bits: Node runs on nothing else that is Linux. */
function pageSizeIn(auxiliary: Buffer): number {
  const pairs = new BigUint64Array(new Uint8Array(auxiliary).buffer);
  const at = pairs.findIndex((type, index) => index % 2 === 0 && type === pageSizeType);
  const size = pairs[at + 1];
  if (at === -1 || size === undefined) throw new Error("/proc/self/auxv does not tell the page size");
  return Number(size);
}

/**
 * The text of a small file of proc(5), with three system calls and no memory of its own.
 *
 * @throws the system error
 */
export function readShort(path: string): string {
  const descriptor = openSync(path, "r");
  try {
    const length = readSync(descriptor, buffer, 0, buffer.length, 0);
    // A process in very many groups has a long list of them.
    return length < buffer.length ? buffer.toString("latin1", 0, length) : readFileSync(path, "latin1");
  } finally {
    closeSync(descriptor);
  }
}

/** The line of /proc/PID/stat in the first `length` bytes, or `null` where it is not one. */
export function parseStat(pid: number, bytes: Uint8Array, length: number): ProcessInfo | null {
  // The second field is the program's name in parentheses, and may hold spaces, parentheses and newlines itself.
  let at = bytes.lastIndexOf(closingParenthesis, length - 1) + 2;
  const state = bytes[at];
  let count = 0;
  // By the numbers of proc_pid_stat(5): the state is field 3, everything after it a decimal number. No strings are made,
  // since thousands in each pass would cost more in garbage collection than the pass itself.
  for (at += 2; at < length && count < numbers.length; ) {
    const negative = bytes[at] === minus;
    if (negative) at++;
    let value = 0;
    for (let byte = bytes[at]; byte !== undefined && byte >= zero && byte <= zero + 9; byte = bytes[++at]) {
      value = value * 10 + byte - zero;
    }
    numbers[count++] = negative ? -value : value;
    at++;
  }
  const field = (number: number) => numbers[number - 4] ?? Number.NaN;
  if (count < 49) return null;
  // A leader whose first thread has ended is shown as a zombie while its other threads run on.
  const over = (state === zombie || state === dead) && field(20) <= 1;
  return {
    pid,
    group: field(5),
    session: field(6),
    startTicks: field(22),
    alive: !over,
    kernelThread: (field(9) & kernelThreadFlag) !== 0,
    waitStatus: field(52),
    cpuTicks: field(14) + field(15) + field(16) + field(17),
    tasks: field(20),
    residentPages: field(24),
  };
}

/**
 * True for errors that only say that we could not look (no descriptors or memory left): what is not seen then is not
 * gone, and a later look may succeed.
 */
export function couldNotLook(error: unknown): boolean {
  return ["EMFILE", "ENFILE", "ENOMEM"].includes(systemCode(error) ?? "");
}

const goneOrForeign = new Set(["ENOENT", "ESRCH", "EACCES", "EPERM"]);

function visible<T>(read: () => T): T | null {
  try {
    return read();
  } catch (error) {
    if (goneOrForeign.has(systemCode(error) ?? "")) return null;
    throw error;
  }
}
