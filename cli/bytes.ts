/**
 * Command-line arguments as the bytes they are. Node turns bytes that are not UTF-8 into U+FFFD, so paths are looked up
 * in /proc/self/cmdline.
 */

import { readFileSync, readlinkSync } from 'node:fs';
import { EngineError } from '../engine/index.ts';

function rawArguments(): Buffer[] {
  const count = process.argv.length - 2;
  try {
    const line = readFileSync('/proc/self/cmdline');
    const parts: Buffer[] = [];
    for (let start = 0; start < line.length; ) {
      const end = line.indexOf(0, start);
      parts.push(line.subarray(start, end < 0 ? line.length : end));
      if (end < 0) break;
      start = end + 1;
    }
    return count === 0 ? [] : parts.slice(-count);
  } catch {
    return process.argv.slice(2).map((text) => Buffer.from(text));
  }
}

/** The bytes behind an argument's text, also where it stood behind `--flag=`. */
export function argumentBytes(text: string): Buffer {
  if (!text.includes('\ufffd')) return Buffer.from(text);
  for (const raw of rawArguments()) {
    if (raw.toString('utf8') === text) return raw;
    const equals = raw.indexOf('=');
    if (equals > 0 && raw.toString('utf8', equals + 1) === text) return raw.subarray(equals + 1);
  }
  return Buffer.from(text);
}

/** An argument as an absolute path without `.`, `..` and doubled slashes. */
export function absolutePath(text: string): Buffer {
  // What a variable that is not set leaves behind; as the working directory it would be a surprise.
  if (text === '')
    throw new EngineError('INVALID_ARGUMENT', 'A path is empty: name a file or folder ("." is this one)');
  return absoluteBytes(argumentBytes(text));
}

/** The same for a path that was read from a file. */
export function absoluteBytes(path: Buffer): Buffer {
  const start = path[0] === 0x2f ? Buffer.alloc(0) : Buffer.concat([workingDirectory(), Buffer.from('/')]);
  const parts: string[] = [];
  for (const part of Buffer.concat([start, path]).toString('latin1').split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  return Buffer.from(`/${parts.join('/')}`, 'latin1');
}

function workingDirectory(): Buffer {
  try {
    return readlinkSync('/proc/self/cwd', { encoding: 'buffer' });
  } catch {
    return Buffer.from(process.cwd());
  }
}
