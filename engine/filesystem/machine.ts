/** What a process asks of its machine and not of a file: a lock that dies with it, and a place behind everybody else. */

import { closeSync, linkSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { getPriority, setPriority } from 'node:os';
import { errnoCode } from '../base/errors.ts';
import { LibC, LOCK_EX, LOCK_NB, SYS_IOPRIO_SET } from './libc.ts';

export interface FileLock {
  release(): void;
}

/**
 * An exclusive lock by flock, on a file that is made where it does not exist and stays; the kernel lets go of it when the
 * process ends, however it ends. Undefined where somebody else holds it. Throws the system's error where a file there
 * cannot be locked.
 */
export function lockFile(path: string, note: string): FileLock | undefined {
  const libc = loadLibC();
  if (libc === undefined) return lockByName(`${path}.pid`);
  // Node opens with O_CLOEXEC, so no program that is started keeps the lock.
  const descriptor = openSync(path, 'a+', 0o600);
  if (libc.calls.flock(descriptor, LOCK_EX | LOCK_NB) !== 0) {
    const code = libc.errno();
    closeSync(descriptor);
    if (code === 'EAGAIN' || code === 'EWOULDBLOCK') return undefined;
    throw Object.assign(new Error(`${code}: ${path} cannot be locked`), { code });
  }
  // Who holds it is told to those who come later; the lock is the descriptor's, not the text's.
  writeFileSync(path, note);
  return { release: () => closeSync(descriptor) };
}

/** Where the C library cannot be called: a file that names its process. One left by a dead process is taken over. */
function lockByName(path: string): FileLock | undefined {
  // It appears with its content, so nobody ever sees one without.
  const own = `${path}.${process.pid}`;
  writeFileSync(own, String(process.pid), { mode: 0o600 });
  try {
    for (let attempt = 0; attempt < 2; attempt++) {
      try {
        linkSync(own, path);
        return { release: () => rmSync(path, { force: true }) };
      } catch (error) {
        if (errnoCode(error) !== 'EEXIST') throw error;
        if (isAlive(Number(readFileSync(path, 'utf8')))) return undefined;
        rmSync(path, { force: true });
      }
    }
    return undefined;
  } finally {
    rmSync(own, { force: true });
  }
}

function isAlive(pid: number): boolean {
  if (!(pid > 0)) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errnoCode(error) === 'EPERM';
  }
}

/** How far a process steps back: `idle` uses what is left over, of the disk, too; `low` only lets others go first. */
export type Priority = 'idle' | 'low';

const NICE: { readonly [priority in Priority]: number } = { idle: 19, low: 10 };
const IOPRIO_WHO_PROCESS = 1;
const IOPRIO_CLASS_IDLE = 3 << 13;

/** This thread as the kernel numbers it; undefined where that cannot be told. */
export function threadId(): number | undefined {
  try {
    const status = readFileSync('/proc/thread-self/status', 'latin1');
    const found = /^Pid:\s*(\d+)$/m.exec(status);
    return found === null ? undefined : Number(found[1]);
  } catch {
    return undefined;
  }
}

/**
 * Puts all threads of this process but one behind everybody else, for the processor, and `idle` for the disk, too; threads
 * that are made later inherit it. There is no way back without privileges, and programs inherit it from the thread that starts
 * them. Returns what could not be done, in words.
 */
export function yieldToOthers(spared: number | undefined, priority: Priority): string[] {
  const threads = ownThreads().filter((id) => id !== spared);
  const failures: string[] = [];
  const libc = loadLibC();
  for (const id of threads) {
    try {
      setPriority(id, Math.max(getPriority(id), NICE[priority]));
    } catch {
      failures.push('the processor');
    }
    if (priority !== 'idle') continue;
    const answer = libc?.calls.syscall(SYS_IOPRIO_SET, IOPRIO_WHO_PROCESS, id, IOPRIO_CLASS_IDLE);
    if (Number(answer ?? -1) !== 0) failures.push('the disk');
  }
  return [...new Set(failures)];
}

function ownThreads(): number[] {
  try {
    return readdirSync('/proc/self/task').map(Number);
  } catch {
    return [process.pid];
  }
}

function loadLibC(): LibC | undefined {
  if (process.platform !== 'linux' || (process.arch !== 'x64' && process.arch !== 'arm64')) return undefined;
  try {
    return new LibC();
  } catch {
    return undefined;
  }
}
