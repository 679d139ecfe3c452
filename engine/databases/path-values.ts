/**
 * Paths that a server keeps in its database, and what becomes of them when its folders move. Pure.
 *
 * A value fits a rule where it is the rule's path, or lies below it: `/books2` never fits `/books`. Only the beginning that
 * fits is written anew; what follows stays as it stands, byte for byte, and so does the rest of a JSON text.
 */

import { EngineError } from '../base/errors.ts';

/** `text`: the path. `json`: each string in it that is one. `url`: `file:` and the path, percent-encoded. */
export type PathForm = 'text' | 'json' | 'url';

/** Absolute, without a slash at the end; `/` for the root. */
export interface PathRule {
  readonly from: string;
  readonly to: string;
}

/** A rule whose root is the empty text, so that what follows always begins with a slash. */
interface Ending {
  readonly from: string;
  readonly to: string;
  /** As the caller numbered it. */
  readonly number: number;
}

/** Where what fits ends, and by which rule. */
interface Fit {
  readonly ending: Ending;
  readonly end: number;
}

const SLASH = 0x2f;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
/** Stands where bytes were no text: what it was cannot be written back. */
const NO_TEXT = '\ufffd';

export interface Rewritten {
  readonly value: string;
  /** Numbers of the rules that were used; one for each path that changed. */
  readonly rules: readonly number[];
}

export class PathMapper {
  /** Longest first: the nearest rule counts. */
  readonly #rules: readonly Ending[];
  readonly #targets: readonly Ending[];

  constructor(rules: readonly PathRule[]) {
    this.#rules = rules
      .map(({ from, to }, number) => ({ from: from === '/' ? '' : from, to: to === '/' ? '' : to, number }))
      .sort((a, b) => b.from.length - a.from.length);
    this.#targets = this.#rules.map(({ to, number }) => ({ from: to, to, number }));
  }

  /** Longest first, as a statement that tries one after the other has to have them. The root is the empty text here. */
  get ordered(): readonly PathRule[] {
    return this.#rules.map(({ from, to }) => ({ from, to }));
  }

  /** Undefined where nothing in the value fits. `bytes`: what it was read from, for one that has a replacement character. */
  rewrite(form: PathForm, value: string, bytes?: Uint8Array): Rewritten | undefined {
    if (form === 'text') return this.#text(value);
    // What is no text is no JSON, and no percent-encoding either.
    if (value.includes(NO_TEXT) && !isTextOf(value, bytes)) return undefined;
    return form === 'json' ? this.#json(value) : this.#url(value);
  }

  /** True for a path that fits a rule, alone, as a URL, or as a string in JSON. */
  holds(value: string, options: { readonly exceptTargets: boolean }): boolean {
    const isOld = (path: string): boolean =>
      fitText(path, this.#rules) !== undefined &&
      !(options.exceptTargets && fitText(path, this.#targets) !== undefined);
    if (isOld(value)) return true;
    const path = pathOfUrl(value);
    if (path !== undefined) return isOld(path);
    if (!this.#mayHold(value)) return false;
    for (const { start, end } of jsonStrings(value)) {
      const text = stringBetween(value, start, end);
      if (text !== undefined && (isOld(text) || isOld(pathOfUrl(text) ?? ''))) return true;
    }
    return false;
  }

  #text(value: string): Rewritten | undefined {
    // Functions of SQLite that take a text apart end there.
    if (value.includes('\0')) return undefined;
    const fit = fitText(value, this.#rules);
    if (fit === undefined) return undefined;
    return { value: joined(fit.ending.to, fit.ending.from, value.slice(fit.end)), rules: [fit.ending.number] };
  }

  #json(value: string): Rewritten | undefined {
    if (!this.#mayHold(value)) return undefined;
    const pieces: string[] = [];
    const rules: number[] = [];
    let copied = 0;
    for (const { start, end } of jsonStrings(value)) {
      const fit = fitRaw(value, { start, end }, this.#rules);
      if (fit === undefined) continue;
      const { from, to, number } = fit.ending;
      const written = JSON.stringify(to).slice(1, -1);
      pieces.push(value.slice(copied, start), joined(written, from, value.slice(fit.end, end)));
      copied = end;
      rules.push(number);
    }
    if (rules.length === 0 || !isJson(value)) return undefined;
    pieces.push(value.slice(copied));
    const changed = pieces.join('');
    if (!isJson(changed)) throw new EngineError('INTERNAL', 'A JSON text whose paths were rewritten is none any more');
    return { value: changed, rules };
  }

  /** A cheap look before a long text is taken apart: its strings may hide a path behind escapes. */
  #mayHold(value: string): boolean {
    const first = value.trimStart().charCodeAt(0);
    if (first !== 0x7b && first !== 0x5b && first !== QUOTE) return false;
    if (value.includes('\\/') || value.includes('\\u') || value.includes('file:')) return true;
    return this.#rules.some(({ from }) => value.includes(from === '' ? '"/' : from) || from.includes('"'));
  }

  #url(value: string): Rewritten | undefined {
    const begin = urlPathBegin(value);
    if (begin === undefined) return undefined;
    const fit = fitUrl(value, begin, this.#rules);
    if (fit === undefined) return undefined;
    const { from, to, number } = fit.ending;
    return {
      value: value.slice(0, begin) + joined(encodePath(to), from, value.slice(fit.end)),
      rules: [number],
    };
  }
}

/** True where the replacement character itself stands in the bytes: tags and names of files often have it. */
function isTextOf(value: string, bytes: Uint8Array | undefined): boolean {
  if (bytes === undefined) return false;
  return Buffer.from(value, 'utf8').equals(bytes) || Buffer.from(value, 'utf16le').equals(bytes);
}

/** `to` and what followed `from`; the root never becomes an empty path. */
function joined(to: string, from: string, rest: string): string {
  const isRoot = from === '' && (rest === '/' || rest === '\\/');
  const path = isRoot ? to : to + rest;
  return path === '' ? '/' : path;
}

function fitText(value: string, rules: readonly Ending[]): Fit | undefined {
  if (value.charCodeAt(0) !== SLASH) return undefined;
  for (const ending of rules) {
    const end = ending.from.length;
    if (!value.startsWith(ending.from)) continue;
    if (value.length === end || value.charCodeAt(end) === SLASH) return { ending, end };
  }
  return undefined;
}

// ---- JSON

interface Span {
  /** Behind the opening quote. */
  readonly start: number;
  /** The closing quote. */
  readonly end: number;
}

/** The strings of a JSON text, names of members too. Of what is no JSON it finds something else, which is judged later. */
function* jsonStrings(text: string): Generator<Span> {
  for (let open = text.indexOf('"'); open >= 0; ) {
    const close = closingQuote(text, open + 1);
    if (close < 0) return;
    yield { start: open + 1, end: close };
    open = text.indexOf('"', close + 1);
  }
}

function closingQuote(text: string, start: number): number {
  for (let at = text.indexOf('"', start); at >= 0; at = text.indexOf('"', at + 1)) {
    let backslashes = 0;
    while (at - 1 - backslashes >= start && text.charCodeAt(at - 1 - backslashes) === BACKSLASH) backslashes++;
    if (backslashes % 2 === 0) return at;
  }
  return -1;
}

const ESCAPES: ReadonlyMap<string, string> = new Map(
  Object.entries({ b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', '"': '"', '\\': '\\', '/': '/' }),
);

/** One UTF-16 unit of a string as it stands in JSON, and where the next one begins. */
function unitAt(text: string, at: number): { readonly unit: number; readonly next: number } {
  const unit = text.charCodeAt(at);
  if (unit !== BACKSLASH) return { unit, next: at + 1 };
  const letter = text.charAt(at + 1);
  if (letter === 'u') return { unit: Number.parseInt(text.slice(at + 2, at + 6), 16), next: at + 6 };
  return { unit: ESCAPES.get(letter)?.charCodeAt(0) ?? Number.NaN, next: at + 2 };
}

/** The same as fitText, of a string as it stands in JSON: `end` counts as that text does. */
function fitRaw(text: string, { start, end }: Span, rules: readonly Ending[]): Fit | undefined {
  if (start === end || unitAt(text, start).unit !== SLASH) return undefined;
  for (const ending of rules) {
    const reached = matchRaw(text, { start, end }, ending.from);
    if (reached === undefined) continue;
    if (reached === end || unitAt(text, reached).unit === SLASH) return { ending, end: reached };
  }
  return undefined;
}

function matchRaw(text: string, { start, end }: Span, wanted: string): number | undefined {
  let at = start;
  for (let unit = 0; unit < wanted.length; unit++) {
    if (at >= end) return undefined;
    const found = unitAt(text, at);
    if (found.unit !== wanted.charCodeAt(unit)) return undefined;
    at = found.next;
  }
  return at;
}

function stringBetween(text: string, start: number, end: number): string | undefined {
  const raw = text.slice(start, end);
  if (!raw.includes('\\')) return raw;
  try {
    return String(JSON.parse(`"${raw}"`));
  } catch {
    return undefined;
  }
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

// ---- URLs

/** `file:/x`, `file:///x` and `file://localhost/x` all say the same. */
const FILE_URL = /^file:(?:\/\/(?:localhost)?(?=\/))?(?=\/)/i;

function urlPathBegin(value: string): number | undefined {
  return FILE_URL.exec(value)?.[0].length;
}

function pathOfUrl(value: string): string | undefined {
  const begin = urlPathBegin(value);
  if (begin === undefined) return undefined;
  try {
    return decodeURIComponent(value.slice(begin).replace(/[?#].*$/s, ''));
  } catch {
    return undefined;
  }
}

/** Compares byte by byte: the same path may be encoded in more ways than one. */
function fitUrl(value: string, begin: number, rules: readonly Ending[]): Fit | undefined {
  for (const ending of rules) {
    const end = matchEncoded(value, begin, Buffer.from(ending.from, 'utf8'));
    if (end === undefined) continue;
    if (end === value.length || value.charCodeAt(end) === SLASH) return { ending, end };
  }
  return undefined;
}

function matchEncoded(value: string, begin: number, wanted: Buffer): number | undefined {
  let at = begin;
  for (let byte = 0; byte < wanted.length; ) {
    const found = encodedAt(value, at);
    if (
      found === undefined ||
      wanted.compare(found.bytes, 0, found.bytes.length, byte, byte + found.bytes.length) !== 0
    )
      return undefined;
    byte += found.bytes.length;
    at = found.next;
  }
  return at;
}

function encodedAt(value: string, at: number): { readonly bytes: Buffer; readonly next: number } | undefined {
  const code = value.codePointAt(at);
  if (code === undefined) return undefined;
  if (code !== 0x25) {
    const text = String.fromCodePoint(code);
    return { bytes: Buffer.from(text, 'utf8'), next: at + text.length };
  }
  const digits = value.slice(at + 1, at + 3);
  return /^[0-9a-f]{2}$/i.test(digits) ? { bytes: Buffer.from(digits, 'hex'), next: at + 3 } : undefined;
}

/** Bytes that stay as they are in a path's URL as Java makes it: servers on the Java platform compare such URLs as texts. */
const PLAIN_IN_URL = new Set(
  [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789', ..."-_.!~*'():@&=+$,;/"].map((letter) =>
    letter.charCodeAt(0),
  ),
);

function encodePath(path: string): string {
  let encoded = '';
  for (const byte of Buffer.from(path, 'utf8')) {
    if (PLAIN_IN_URL.has(byte)) encoded += String.fromCharCode(byte);
    else encoded += `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return encoded;
}
