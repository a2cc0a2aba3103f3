/* What the vocabulary of the ledger is made of. */

export type FieldType = "text" | "number" | "boolean" | "texts" | "object";

export interface Field {
  readonly type: FieldType;
  /** Whether `null` may stand in its place. */
  readonly nullable?: true;
  /** Whether it may be missing. */
  readonly optional?: true;
  readonly means: string;
}

export interface Action {
  readonly means: string;
  /** What the entry's subject is: the name of an agent or a routine, the path of a generation, a daemon, a sink of alerts, `TYPE:ID` of a record, a place (path of a file, name of a unit or an agent). */
  readonly subject:
    | "agent"
    | "routine"
    | "agent, or routine:NAME"
    | "generation"
    | "daemon"
    | "ledger"
    | "record"
    | "place"
    | "sink";
  readonly details: Readonly<Record<string, Field>>;
}

export const text = (means: string) => ({ type: "text", means }) as const;
export const texts = (means: string) => ({ type: "texts", means }) as const;
export const number = (means: string) => ({ type: "number", means }) as const;
export const boolean = (means: string) => ({ type: "boolean", means }) as const;
export const object = (means: string) => ({ type: "object", means }) as const;
export const nullable = <F extends Field>(field: F) => ({ ...field, nullable: true }) as const;
export const optional = <F extends Field>(field: F) => ({ ...field, optional: true }) as const;
