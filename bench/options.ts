/** What every job is told, and the units and bounds they share. */

import type { Tool } from './tools.ts';

export interface JobOptions {
  /** Holds data, repositories and restores; emptied after each job. */
  readonly scratch: string;
  /** 1: the sizes of the targets. */
  readonly scale: number;
  /** The sizes that take long, too. */
  readonly full: boolean;
  readonly runs: number;
  readonly rivals: readonly Tool[];
  readonly say: (text: string) => void;
}

export const MB = 1e6;
export const PEAK_MB_MAX = 300;

/** Sizes are promised for the full data alone. */
export function scaled(target: number | undefined, { scale }: JobOptions): number | undefined {
  return scale === 1 ? target : undefined;
}
