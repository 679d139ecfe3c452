/**
 * Shell patterns for names and paths: `*` and `?` stay inside a name, `**` goes on, `[a-z]` and `{a,b}` choose, a
 * backslash quotes. A pattern without a slash is for names; one with a slash is for whole paths, at any depth unless it
 * begins with it.
 */

import { EngineError } from '../base/errors.ts';
import { pathText } from './patterns.ts';

export class Glob {
  /** True where it looks at the name alone. */
  readonly isForNames: boolean;
  /** What every path that fits begins with, as far as it has no choice; `/` at least. */
  readonly prefix: Buffer;
  readonly #expression: RegExp;

  /** INVALID_ARGUMENT for a bracket or a brace that is not closed. */
  constructor(pattern: string, options: { readonly caseInsensitive?: boolean | undefined } = {}) {
    if (pattern === '') throw new EngineError('INVALID_ARGUMENT', 'An empty pattern fits nothing');
    this.isForNames = !pattern.includes('/');
    const isAbsolute = pattern.startsWith('/');
    const start = this.isForNames ? '^' : isAbsolute ? '^' : '^(?:.*/)';
    const flags = options.caseInsensitive === true ? 'isu' : 's';
    const body = pattern.length > 1 && pattern.endsWith('/') ? pattern.slice(0, -1) : pattern;
    const expression = `${start}${translate(body)}$`;
    try {
      this.#expression = new RegExp(expression, flags);
    } catch (error) {
      throw new EngineError('INVALID_ARGUMENT', `The pattern "${pattern}" makes no sense`, error);
    }
    const literal = /^[^*?[\]{}\\]*/.exec(body)?.[0] ?? '';
    const isWhole = literal.length === body.length;
    const known = isAbsolute && options.caseInsensitive !== true ? literal : '/';
    this.prefix = Buffer.from(isWhole && known !== '/' ? known : known.slice(0, known.lastIndexOf('/') + 1));
  }

  /** `text` is the name or the path, as pathText gives it. */
  test(text: string): boolean {
    return this.#expression.test(text);
  }

  matches(path: Buffer, name: Buffer): boolean {
    return this.test(pathText(this.isForNames ? name : path));
  }

  /** False where nothing at or below the path can fit. */
  mayMatchBelow(path: Buffer): boolean {
    const length = Math.min(path.length, this.prefix.length);
    return path.compare(this.prefix, 0, length, 0, length) === 0;
  }
}

function translate(pattern: string): string {
  let result = '';
  let depth = 0;
  for (let at = 0; at < pattern.length; at++) {
    const letter = pattern[at] ?? '';
    if (letter === '\\' && at + 1 < pattern.length) result += quote(pattern[++at] ?? '');
    else if (letter === '*' && pattern[at + 1] === '*') {
      at++;
      // `**/` may stand for nothing at all.
      if (pattern[at + 1] === '/') {
        at++;
        result += '(?:.*/)?';
      } else result += '.*';
    } else if (letter === '*') result += '[^/]*';
    else if (letter === '?') result += '[^/]';
    else if (letter === '[') {
      // One that stands first is a letter.
      const end = pattern.indexOf(']', at + (/[!^]/.test(pattern[at + 1] ?? '') ? 3 : 2));
      if (end < 0)
        throw new EngineError('INVALID_ARGUMENT', `The pattern "${pattern}" has a bracket that is not closed`);
      const inner = pattern
        .slice(at + 1, end)
        .replace(/^!/, '^')
        .replace(/[\\[\]]/g, '\\$&');
      result += `[${inner}]`;
      at = end;
    } else if (letter === '{') {
      depth++;
      result += '(?:';
    } else if (letter === '}' && depth > 0) {
      depth--;
      result += ')';
    } else if (letter === ',' && depth > 0) result += '|';
    else result += quote(letter);
  }
  if (depth > 0) throw new EngineError('INVALID_ARGUMENT', `The pattern "${pattern}" has a brace that is not closed`);
  return result;
}

function quote(letter: string): string {
  return /[\^$.*+?()[\]{}|\\/]/.test(letter) ? `\\${letter}` : letter;
}
