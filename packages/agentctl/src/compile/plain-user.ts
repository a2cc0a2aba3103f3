const nobody = 65_534;

/** Runs part of a test without the powers of root, which may read and write everything. */
export async function asPlainUser<T>(action: () => Promise<T>): Promise<T> {
  if (process.getuid?.() !== 0) return action();
  process.seteuid?.(nobody);
  try {
    return await action();
  } finally {
    process.seteuid?.(0);
  }
}
