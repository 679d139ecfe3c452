/**
 * Reads along in a plain dump of pg_dump, as psql would: where statements, strings, comments and rows begin and end. So
 * rows are counted by table, and what does not belong in there is found:
 *
 * - `\restrict KEY` and `\unrestrict KEY`, which newer pg_dump puts around a dump, have a new key each night. They are
 *   taken out, so that a database that did not change gives the same bytes.
 * - `BEGIN;` and `COMMIT;`, which pg_dump puts around large objects, would end the one transaction of a restore half-way.
 *   A restore takes them out, and refuses every other command of psql's own: a dump has none, unless somebody put it there.
 */

import { EngineError } from '../base/errors.ts';
import { DUMP_STATEMENT_BYTES_MAX } from '../base/limits.ts';
import { RowCounter } from './table-rows.ts';

export interface PostgresScannerOptions {
  /** The dump is on its way into a database. */
  readonly restoring: boolean;
}

const NEWLINE = 0x0a;
const QUOTE = 0x27;
const DOUBLE_QUOTE = 0x22;
const BACKSLASH = 0x5c;
const DOLLAR = 0x24;
const SEMICOLON = 0x3b;
const DASH = 0x2d;
const SLASH = 0x2f;
const STAR = 0x2a;
const DOT = 0x2e;
/** Longest command that is held back until it is known what it is. */
const HELD_BYTES_ENOUGH = 4096;

type State =
  | 'top'
  | 'string'
  | 'escaped'
  | 'identifier'
  | 'tag'
  | 'dollar'
  | 'line comment'
  | 'block comment'
  | 'command'
  | 'before rows'
  | 'rows';

export class PostgresScanner {
  readonly #options: PostgresScannerOptions;
  readonly rows = new RowCounter();
  #state: State = 'top';
  /** The byte before, in whatever piece. */
  #last = NEWLINE;
  /** In a string of the escaped kind: the byte before was a backslash that counts. */
  #isEscape = false;
  #depth = 0;
  /** `$tag$`, and how much of it the last bytes are. */
  #tag = '';
  #tagMatched = 0;
  /** The statement so far, without strings and comments. */
  #statement = '';
  #table = '';
  /** Of the row that is being read; 3 for whatever is longer. */
  #rowLength = 0;
  /** Its first bytes. */
  readonly #rowStart = [0, 0, 0];
  #rowCount = 0;
  /** Bytes that are not handed on before it is known what they are. */
  #held: Buffer[] = [];
  #isHolding = false;
  /** Where in this piece that which is not handed on yet begins. */
  #from = 0;
  #out: Buffer[] = [];

  constructor(options: PostgresScannerOptions) {
    this.#options = options;
  }

  /** What is to be handed on of a piece: views of it, valid as long as that. DATABASE_FAILED: see above. */
  feed(piece: Buffer): readonly Buffer[] {
    this.#out = [];
    this.#from = 0;
    for (let at = 0; at < piece.length; ) at = this.#step(piece, at);
    this.#handOn(piece, piece.length);
    return this.#out;
  }

  /** True between two statements: where a dump may end. */
  get isBetweenStatements(): boolean {
    return this.#state === 'top' && this.#statement.trim() === '' && !this.#isHolding;
  }

  #handOn(piece: Buffer, to: number): void {
    if (to <= this.#from) return;
    const bytes = piece.subarray(this.#from, to);
    // What is held outlives its piece.
    if (this.#isHolding) this.#held.push(Buffer.from(bytes));
    else this.#out.push(bytes);
    this.#from = to;
  }

  #hold(piece: Buffer, at: number): void {
    this.#handOn(piece, at);
    this.#isHolding = true;
  }

  #release(): void {
    if (!this.#isHolding) return;
    this.#out.push(...this.#held.splice(0));
    this.#isHolding = false;
  }

  /** Leaves out what is held, up to `to`. */
  #drop(to: number): void {
    this.#held = [];
    this.#isHolding = false;
    this.#from = to;
  }

  /** Takes one byte, or as many as are alike, and returns where the next one is. */
  #step(piece: Buffer, at: number): number {
    switch (this.#state) {
      case 'top':
        return this.#top(piece, at);
      case 'rows':
        return this.#row(piece, at);
      case 'string':
      case 'identifier':
        return this.#quoted(piece, at);
      case 'line comment':
        return this.#skipTo(piece, at, NEWLINE);
      case 'before rows':
        return this.#beforeRows(piece, at);
      default:
        return this.#byte(piece, at);
    }
  }

  #top(piece: Buffer, at: number): number {
    const byte = piece[at] ?? 0;
    const last = this.#last;
    this.#last = byte;
    if (byte === BACKSLASH) return this.#beginCommand(piece, at);
    if (byte === SEMICOLON) return this.#endStatement(piece, at);
    if (byte === DASH && last === DASH) this.#state = 'line comment';
    else if (byte === STAR && last === SLASH) [this.#state, this.#depth, this.#last] = ['block comment', 1, 0];
    else if (byte === QUOTE) {
      this.#state = isEscapePrefix(last, this.#statement) ? 'escaped' : 'string';
      this.#isEscape = false;
    } else if (byte === DOUBLE_QUOTE) this.#state = 'identifier';
    else if (byte === DOLLAR && !isNamePart(last)) [this.#state, this.#tag] = ['tag', '$'];
    if (this.#state === 'line comment' || this.#state === 'block comment') {
      // Its first byte was taken for a part of the statement.
      this.#statement = this.#statement.slice(0, -1);
      this.#release();
      return at + 1;
    }
    this.#note(piece, at, byte);
    return at + 1;
  }

  /** Adds a byte to the statement, and holds it back while it may yet be one that is left out. */
  #note(piece: Buffer, at: number, byte: number): void {
    const isSpace = byte === 0x20 || (byte >= 0x09 && byte <= 0x0d);
    if (this.#statement === '' && isSpace) return;
    if (this.#statement === '' && this.#options.restoring) this.#hold(piece, at);
    if (this.#statement.length < DUMP_STATEMENT_BYTES_MAX) this.#statement += String.fromCharCode(byte);
    if (!this.#isHolding || mayBeTransaction(this.#statement)) return;
    this.#handOn(piece, at + 1);
    this.#release();
  }

  #endStatement(piece: Buffer, at: number): number {
    const statement = this.#statement.trim();
    this.#statement = '';
    if (this.#isHolding) {
      if (/^(?:BEGIN|COMMIT)$/i.test(statement)) {
        this.#drop(at + 1);
        return at + 1;
      }
      this.#handOn(piece, at + 1);
      this.#release();
    }
    const table = tableOfCopy(statement);
    if (table === undefined) return at + 1;
    this.#table = table;
    this.rows.begin(table);
    this.#state = 'before rows';
    return at + 1;
  }

  #beginCommand(piece: Buffer, at: number): number {
    if (!this.#isHolding) this.#hold(piece, at);
    // In the middle of a statement it is no guard, whatever it is called.
    this.#statement += '\\';
    this.#state = 'command';
    return at + 1;
  }

  /** A command of psql's own goes to the end of its line. */
  #command(piece: Buffer, at: number, byte: number): number {
    if (byte !== NEWLINE && this.#statement.length < HELD_BYTES_ENOUGH) {
      this.#statement += String.fromCharCode(byte);
      return at + 1;
    }
    const isGuard = byte === NEWLINE && /^\\(?:un)?restrict [A-Za-z0-9]+\s*$/.test(this.#statement);
    if (!isGuard && this.#options.restoring) {
      const said = JSON.stringify(this.#statement.slice(0, 40));
      throw new EngineError(
        'DATABASE_FAILED',
        `The dump holds a command of psql's own, ${said}, as pg_dump writes none`,
      );
    }
    this.#state = 'top';
    this.#statement = '';
    this.#last = NEWLINE;
    if (isGuard) this.#drop(at + 1);
    else {
      this.#handOn(piece, at + 1);
      this.#release();
    }
    return at + 1;
  }

  #byte(piece: Buffer, at: number): number {
    const byte = piece[at] ?? 0;
    switch (this.#state) {
      case 'command':
        return this.#command(piece, at, byte);
      case 'escaped':
        if (this.#isEscape) this.#isEscape = false;
        else if (byte === BACKSLASH) this.#isEscape = true;
        else if (byte === QUOTE) this.#toTop(byte);
        break;
      case 'tag':
        return this.#tagByte(at, byte);
      case 'dollar':
        this.#dollarByte(byte);
        break;
      case 'block comment':
        if (this.#last === STAR && byte === SLASH) {
          this.#depth--;
          this.#last = 0;
          if (this.#depth === 0) this.#toTop(0x20);
        } else if (this.#last === SLASH && byte === STAR) {
          this.#depth++;
          this.#last = 0;
        } else this.#last = byte;
        break;
      default:
    }
    return at + 1;
  }

  #toTop(last: number): void {
    this.#state = 'top';
    this.#last = last;
  }

  #tagByte(at: number, byte: number): number {
    if (byte === DOLLAR) {
      this.#tag += '$';
      this.#tagMatched = 0;
      this.#state = 'dollar';
      return at + 1;
    }
    if (isNamePart(byte) && !(this.#tag === '$' && byte >= 0x30 && byte <= 0x39)) {
      this.#tag += String.fromCharCode(byte);
      return at + 1;
    }
    // It was no tag: this byte is looked at again.
    this.#toTop(DOLLAR);
    return at;
  }

  #dollarByte(byte: number): void {
    if (byte === this.#tag.charCodeAt(this.#tagMatched)) this.#tagMatched++;
    else this.#tagMatched = byte === DOLLAR ? 1 : 0;
    if (this.#tagMatched === this.#tag.length) this.#toTop(DOLLAR);
  }

  /** A doubled quote ends a string and begins another one: to the same end. */
  #quoted(piece: Buffer, at: number): number {
    const quote = this.#state === 'string' ? QUOTE : DOUBLE_QUOTE;
    const found = piece.indexOf(quote, at);
    const end = found < 0 ? piece.length : found + 1;
    if (quote === DOUBLE_QUOTE && this.#statement.length < DUMP_STATEMENT_BYTES_MAX) {
      this.#statement += piece.toString('latin1', at, end);
    }
    if (found >= 0) this.#toTop(quote);
    return end;
  }

  #skipTo(piece: Buffer, at: number, byte: number): number {
    const found = piece.indexOf(byte, at);
    if (found < 0) return piece.length;
    this.#toTop(NEWLINE);
    return found + 1;
  }

  // ---- rows

  #beforeRows(piece: Buffer, at: number): number {
    const found = piece.indexOf(NEWLINE, at);
    if (found < 0) return piece.length;
    this.#state = 'rows';
    this.#rowLength = 0;
    this.#rowCount = 0;
    return found + 1;
  }

  #row(piece: Buffer, from: number): number {
    for (let at = from; ; ) {
      const found = piece.indexOf(NEWLINE, at);
      const end = found < 0 ? piece.length : found;
      for (let byte = at; this.#rowLength < 3 && byte < end; byte++)
        this.#rowStart[this.#rowLength++] = piece[byte] ?? 0;
      if (found < 0) return piece.length;
      if (this.#rowLength === 2 && this.#rowStart[0] === BACKSLASH && this.#rowStart[1] === DOT) {
        this.rows.add(this.#table, this.#rowCount);
        this.#toTop(NEWLINE);
        return found + 1;
      }
      this.#rowCount++;
      this.#rowLength = 0;
      at = found + 1;
    }
  }
}

function isNamePart(byte: number): boolean {
  return (
    (byte >= 0x30 && byte <= 0x39) ||
    (byte >= 0x41 && byte <= 0x5a) ||
    (byte >= 0x61 && byte <= 0x7a) ||
    byte === 0x5f ||
    byte >= 0x80
  );
}

/** True after the E of E'...'. */
function isEscapePrefix(last: number, statement: string): boolean {
  if (last !== 0x45 && last !== 0x65) return false;
  const before = statement.length < 2 ? 0x20 : statement.charCodeAt(statement.length - 2);
  return !isNamePart(before) && before !== DOLLAR;
}

function mayBeTransaction(statement: string): boolean {
  const text = statement.toUpperCase().trimEnd();
  return statement.length < HELD_BYTES_ENOUGH && ('BEGIN'.startsWith(text) || 'COMMIT'.startsWith(text));
}

/** `public.books` of `COPY public.books (id, title) FROM stdin`. */
function tableOfCopy(statement: string): string | undefined {
  const found = /^COPY\s+((?:"(?:[^"]|"")*"|[^\s("])+)\s+(?:\([\s\S]*\)\s+)?FROM\s+stdin$/i.exec(statement);
  return found?.[1] === undefined ? undefined : Buffer.from(found[1], 'latin1').toString('utf8');
}
