/** A YAML document, and where in it everything stands. */

import { type Document, isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument } from 'yaml';

/** Counted from 1. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

export type ConfigPath = readonly (string | number)[];

export class ConfigDocument {
  readonly #document: Document;
  readonly #lines = new LineCounter();

  constructor(text: string) {
    this.#document = parseDocument(text, { lineCounter: this.#lines, prettyErrors: false, uniqueKeys: true });
  }

  /** What keeps it from being YAML. */
  get errors(): readonly { readonly message: string; readonly at: Position }[] {
    return this.#document.errors.map(({ message, pos }) => ({ message, at: this.#at(pos[0]) }));
  }

  /** Plain values; undefined where nothing stands in the file. */
  value(): unknown {
    return this.#document.toJS({ maxAliasCount: ALIASES_MAX }) ?? undefined;
  }

  /** Where the value of a path stands, or its key; the deepest part of the path that exists where it does not. */
  positionOf(path: ConfigPath, what: 'key' | 'value'): Position {
    let node: unknown = this.#document.contents;
    let offset = offsetOf(node) ?? 0;
    for (const step of path) {
      const inner = isAlias(node) ? node.resolve(this.#document) : node;
      if (isMap(inner)) {
        const pair = inner.items.find(({ key }) => isScalar(key) && String(key.value) === String(step));
        if (pair === undefined) break;
        node = pair.value;
        const keyOffset = offsetOf(pair.key) ?? offset;
        offset = what === 'key' ? keyOffset : (offsetOf(node) ?? keyOffset);
      } else if (isSeq(inner) && typeof step === 'number') {
        node = inner.items[step];
        offset = offsetOf(node) ?? offset;
      } else break;
    }
    return this.#at(offset);
  }

  #at(offset: number): Position {
    const { line, col } = this.#lines.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  }
}

/** A few lines must not unfold to gigabytes. */
const ALIASES_MAX = 100;

function offsetOf(node: unknown): number | undefined {
  if (typeof node !== 'object' || node === null || !('range' in node) || !Array.isArray(node.range)) return undefined;
  return typeof node.range[0] === 'number' ? node.range[0] : undefined;
}
