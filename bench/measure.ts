/** Runs a program and tells how long it took and how much memory it and its children needed at most. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statfsSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';

export interface Measurement {
  readonly seconds: number;
  /** User and system time of the program and its children: what is left of a figure when the machine is busy. */
  readonly cpuSeconds: number;
  /** All threads; of several processes the sum of their peaks. */
  readonly peakBytes: number;
  readonly stdout: string;
}

export interface Command {
  readonly words: readonly string[];
  readonly env?: { readonly [name: string]: string };
  readonly cwd?: string;
}

const POLL_MS = 10;
/** The unit of times in /proc, the same on every Linux that Node runs on. */
const TICKS_A_SECOND = 100;

/** Throws where the program fails. */
export async function measure({ words, env, cwd }: Command): Promise<Measurement> {
  const [program = '', ...parameters] = words;
  const begunMs = performance.now();
  const cpuBefore = cpuSecondsOfChildren();
  const child = spawn(program, parameters, { cwd, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  const output = { stdout: '', stderr: '' };
  child.stdout.on('data', (data: Buffer) => {
    if (output.stdout.length < 1e6) output.stdout += data.toString();
  });
  child.stderr.on('data', (data: Buffer) => {
    if (output.stderr.length < 1e5) output.stderr += data.toString();
  });
  const peaks = new Map<number, number>();
  const poll = setInterval(() => child.pid !== undefined && notePeaks(child.pid, peaks), POLL_MS);
  const [code] = (await once(child, 'close')) as [number | null];
  const seconds = (performance.now() - begunMs) / 1000;
  clearInterval(poll);
  if (code !== 0) throw new Error(`${words.join(' ')} ended with ${code}:\n${output.stderr}`);
  return {
    seconds,
    cpuSeconds: cpuSecondsOfChildren() - cpuBefore,
    peakBytes: [...peaks.values()].reduce((sum, peak) => sum + peak, 0),
    stdout: output.stdout,
  };
}

/** Milliseconds that this process has computed so far: unlike a clock, it does not count what others did meanwhile. */
export function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** Time of all children that have ended, with theirs. */
function cpuSecondsOfChildren(): number {
  const stat = readFileSync('/proc/self/stat', 'latin1');
  // The name, in brackets, may hold anything; after it cutime and cstime are the fields 14 and 15, counted from 1.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[13]) + Number(fields[14])) / TICKS_A_SECOND;
}

/**
 * VmHWM is a peak by itself, so that polling seldom loses little. The last value counts, not the largest: a child that
 * has not yet called exec shows its parent's.
 */
function notePeaks(pid: number, peaks: Map<number, number>): void {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'latin1');
    const kib = /^VmHWM:\s+(\d+) kB/m.exec(status)?.[1];
    if (kib !== undefined) peaks.set(pid, Number(kib) * 1024);
    for (const child of readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').split(' ')) {
      if (child !== '') notePeaks(Number(child), peaks);
    }
  } catch {
    // It has just ended.
  }
}

const WARM_STEP_BYTES = 64 * 2 ** 20;
const WARM_FACTOR = 4;

/**
 * Writes and removes a file as large as what a job will hold. On tmpfs in a virtual machine, memory that was not used of
 * late comes page by page from the host, at a fraction of the speed, and whoever runs first would pay for it.
 */
export function warmMemory(scratch: string, source: string): void {
  const { bavail, bsize } = statfsSync(scratch);
  const bytes = Math.min(bavail * bsize * 0.7, bytesIn(source) * WARM_FACTOR);
  const path = join(scratch, 'warm');
  const file = openSync(path, 'w');
  const step = Buffer.alloc(WARM_STEP_BYTES, 1);
  try {
    for (let written = 0; written < bytes; written += step.length) writeSync(file, step);
  } finally {
    closeSync(file);
    rmSync(path);
  }
}

/** Bytes of all files below a folder. */
export function bytesIn(folder: string): number {
  return filesIn(folder).reduce((bytes, path) => bytes + lstatSync(path).size, 0);
}

/** Paths of all files below a folder. */
export function filesIn(folder: string): string[] {
  const all = readdirSync(folder, { recursive: true, withFileTypes: true });
  return all.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
}

/** Lets files be read from the disk next time. Where they lie in memory alone, this does nothing. */
export async function dropCache(paths: readonly string[]): Promise<void> {
  const script = 'for path; do dd if="$path" iflag=nocache count=0 status=none; done';
  if (paths.length > 0) await measure({ words: ['sh', '-c', `sync "$@"; ${script}`, 'sh', ...paths] });
}

/**
 * Copies files into a new folder and makes each of them durable, and the folder's names, as a prune does with what it
 * writes; all files are written before the first one is waited for, which a prune cannot afford.
 */
export async function copyDurably(paths: readonly string[], target: string): Promise<Measurement> {
  mkdirSync(target);
  const script = 'target=$1; shift; cp -- "$@" "$target" && sync "$target"/* "$target"';
  return measure({ words: ['sh', '-c', script, 'sh', target, ...paths] });
}

/** Median of the pairs' ratios: each pair was measured side by side, so that what else the machine did weighs on both. */
export function medianRatio(values: readonly number[], others: readonly number[]): number {
  const ratios: number[] = [];
  for (const [index, value] of values.entries()) {
    const other = others[index];
    if (other !== undefined) ratios.push(value / other);
  }
  return median(ratios);
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const [low = Number.NaN, high = Number.NaN] = [sorted[(sorted.length - 1) >> 1], sorted[middle]];
  return (low + high) / 2;
}
