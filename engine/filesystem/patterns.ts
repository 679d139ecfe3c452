/**
 * Sets of patterns for what to leave out or take in, with the rules of gitignore.
 *
 * A pattern with a leading `/` begins at the file system's root; every other one fits at any depth, also where it has a
 * slash in its middle. Names are bytes, patterns are text: bytes that are not UTF-8 are mapped to lone surrogates, which
 * no valid name contains, so that `*` and `?` fit them and no two names become one.
 */

import ignore, { type Ignore } from 'ignore';
import { EngineError } from '../base/errors.ts';
import { PATTERN_VERDICTS_CACHED_MAX } from '../base/limits.ts';

const REPLACEMENT = '\uFFFD';
const SLASH = 0x2f;

export class PatternSet {
  readonly isEmpty: boolean;
  readonly #options: { readonly ignorecase: boolean; readonly allowRelativePaths: boolean };
  readonly #rules: Ignore;
  #matcher: Ignore;
  #asked = 0;

  /** INVALID_ARGUMENT for a pattern that can never fit anything. A `#` begins no comment here: it is a character. */
  constructor(patterns: readonly string[], options: { readonly caseInsensitive?: boolean | undefined } = {}) {
    this.#options = { ignorecase: options.caseInsensitive === true, allowRelativePaths: true };
    this.#rules = ignore(this.#options);
    for (const pattern of patterns) this.#rules.add({ pattern: anchored(pattern) });
    this.#matcher = this.#rules;
    this.isEmpty = patterns.length === 0;
    if (!this.isEmpty) this.#renew();
  }

  /**
   * True where the entry, or a directory above it, fits. `path` is absolute; the root itself never fits.
   * Of what lies below a directory that fits, nothing is taken back by a `!pattern`, as in gitignore.
   */
  matches(path: Buffer, isDirectory: boolean): boolean {
    if (this.isEmpty) return false;
    const first = path[0] === SLASH ? 1 : 0;
    if (path.length === first) return false;
    if (++this.#asked >= PATTERN_VERDICTS_CACHED_MAX) this.#renew();
    const text = pathText(first === 0 ? path : path.subarray(first));
    return this.#matcher.ignores(isDirectory ? `${text}/` : text);
  }

  #renew(): void {
    this.#asked = 0;
    // Rules are shared, with their compiled expressions; the memory of verdicts is not.
    this.#matcher = ignore(this.#options).add(this.#rules);
  }
}

/** Gives gitignore's reading of a slash in the middle (bound to the root) only to patterns that begin with one. */
function anchored(pattern: string): string {
  const negated = pattern.startsWith('!');
  const body = negated ? pattern.slice(1) : pattern;
  if (body.trim() === '' || body === '/') {
    throw new EngineError('INVALID_ARGUMENT', `The pattern "${pattern}" fits nothing`);
  }
  if (/(?:^|[^\\])(?:\\\\)*\\$/.test(body)) {
    throw new EngineError('INVALID_ARGUMENT', `The pattern "${pattern}" ends in a backslash that quotes nothing`);
  }
  const inner = body.indexOf('/');
  const floats = inner > 0 && inner < body.length - 1 && !body.startsWith('**/');
  const literal = !negated && body.startsWith('#') ? `\\${body}` : body;
  return `${negated ? '!' : ''}${floats ? '**/' : ''}${literal}`;
}

/** Text of a path or pattern given as bytes, without loss: see the head of this file. */
export function pathText(bytes: Buffer): string {
  const text = bytes.toString('utf8');
  if (!text.includes(REPLACEMENT)) return text;
  let result = '';
  let at = 0;
  while (at < bytes.length) {
    const length = sequenceLength(bytes, at);
    if (length === 0) result += String.fromCharCode(0xdc00 + (bytes[at] ?? 0));
    else result += bytes.toString('utf8', at, at + length);
    at += Math.max(length, 1);
  }
  return result;
}

/** Length of the valid UTF-8 sequence at an offset, or 0. */
function sequenceLength(bytes: Buffer, at: number): number {
  const first = bytes[at] ?? 0;
  if (first < 0x80) return 1;
  const length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc2 ? 2 : 0;
  if (length === 0 || at + length > bytes.length) return 0;
  const sequence = bytes.subarray(at, at + length);
  const text = sequence.toString('utf8');
  return Buffer.from(text, 'utf8').equals(sequence) ? length : 0;
}
