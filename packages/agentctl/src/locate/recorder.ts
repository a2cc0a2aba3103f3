/** Which literal made an object or a list, and what was in it when it was whole. */
export interface Origin {
  readonly file: number;
  readonly site: number;
  /** Own members of the value as the literal left it. Accessors are left out: asking one could do anything. */
  readonly members: ReadonlyMap<string, unknown>;
  /** What was spread, or the computed name, by the index of the member. */
  readonly parts: ReadonlyMap<number, unknown>;
}

/**
 * What instrumented code reports to. The methods return their last argument, so that the code around them does not notice.
 */
export class Recorder {
  readonly #origins = new WeakMap<object, Origin>();
  /** Parts of literals that are not whole yet. Literals nest, and a function may call itself: the last one is the inner one. */
  readonly #open = new Map<string, Map<number, unknown[]>>();

  part(file: number, site: number, index: number, value: unknown): unknown {
    const key = `${file}:${site}`;
    const open = this.#open.get(key) ?? new Map<number, unknown[]>();
    this.#open.set(key, open);
    open.set(index, [...(open.get(index) ?? []), value]);
    return value;
  }

  object<T extends object>(file: number, site: number, value: T): T {
    const parts = new Map<number, unknown>();
    for (const [index, values] of this.#open.get(`${file}:${site}`) ?? []) {
      if (values.length > 0) parts.set(index, values.pop());
    }
    this.#origins.set(value, { file, site, members: membersOf(value), parts });
    return value;
  }

  list<T extends object>(file: number, site: number, value: T): T {
    this.#origins.set(value, { file, site, members: membersOf(value), parts: new Map() });
    return value;
  }

  originOf(value: unknown): Origin | undefined {
    return typeof value === "object" && value !== null ? this.#origins.get(value) : undefined;
  }
}

function membersOf(value: object): ReadonlyMap<string, unknown> {
  const members = new Map<string, unknown>();
  for (const [key, descriptor] of Object.entries(Object.getOwnPropertyDescriptors(value))) {
    if ("value" in descriptor) members.set(key, descriptor.value);
  }
  return members;
}
