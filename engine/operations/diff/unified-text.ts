/** A unified diff of two texts, line by line, by Myers' algorithm. Pure. Lines are bytes as latin1 text. */

import { DIFF_TEXT_EDITS_MAX } from '../../base/limits.ts';

const CONTEXT_LINES = 3;

/** A run of lines: kept, or removed from the one before and replaced by those of the one after. */
interface Edit {
  readonly beforeStart: number;
  readonly beforeEnd: number;
  readonly afterStart: number;
  readonly afterEnd: number;
}

/** Lines with their line feeds; the last one may have none. */
export function splitLines(text: string): string[] {
  const lines: string[] = [];
  for (let start = 0; start < text.length; ) {
    const feed = text.indexOf('\n', start);
    const end = feed < 0 ? text.length : feed + 1;
    lines.push(text.slice(start, end));
    start = end;
  }
  return lines;
}

/** Where the lines differ, in order. Texts that differ in more than `editsMax` lines count as one difference. */
export function findEdits(before: readonly string[], after: readonly string[], editsMax = DIFF_TEXT_EDITS_MAX): Edit[] {
  let start = 0;
  while (start < before.length && start < after.length && before[start] === after[start]) start++;
  let [endBefore, endAfter] = [before.length, after.length];
  while (endBefore > start && endAfter > start && before[endBefore - 1] === after[endAfter - 1]) {
    endBefore--;
    endAfter--;
  }
  if (start === endBefore && start === endAfter) return [];
  const all: Edit = { beforeStart: start, beforeEnd: endBefore, afterStart: start, afterEnd: endAfter };
  if (start === endBefore || start === endAfter) return [all];
  const kept = keptLines(before.slice(start, endBefore), after.slice(start, endAfter), editsMax);
  return kept === undefined ? [all] : editsBetween(kept, all);
}

/** Pairs of equal lines, in order; undefined where more than `editsMax` lines would differ. */
function keptLines(
  before: readonly string[],
  after: readonly string[],
  editsMax: number,
): (readonly [number, number])[] | undefined {
  const most = Math.min(before.length + after.length, editsMax);
  // furthest[k + most + 1]: the furthest line of `before` that is reached on diagonal k with the edits so far.
  const furthest = new Int32Array(2 * most + 3);
  const trace: Int32Array[] = [];
  for (let edits = 0; edits <= most; edits++) {
    trace.push(furthest.slice(most + 1 - edits, most + 2 + edits));
    for (let k = -edits; k <= edits; k += 2) {
      const at = k + most + 1;
      const [down, right] = [furthest[at + 1] ?? 0, furthest[at - 1] ?? 0];
      let x = k === -edits || (k !== edits && right < down) ? down : right + 1;
      while (x < before.length && x - k < after.length && before[x] === after[x - k]) x++;
      furthest[at] = x;
      if (x >= before.length && x - k >= after.length) return traceBack(trace, before.length, after.length);
    }
  }
  return undefined;
}

function traceBack(trace: readonly Int32Array[], beforeEnd: number, afterEnd: number): (readonly [number, number])[] {
  const kept: (readonly [number, number])[] = [];
  let [x, y] = [beforeEnd, afterEnd];
  for (let edits = trace.length - 1; edits >= 0; edits--) {
    const k = x - y;
    // The row before this round: diagonals -edits..edits, from index 0.
    const row = trace[edits] ?? new Int32Array(0);
    const reached = (diagonal: number): number => row[diagonal + edits] ?? 0;
    const isDown = k === -edits || (k !== edits && reached(k - 1) < reached(k + 1));
    const previous = isDown ? k + 1 : k - 1;
    const startX = edits === 0 ? 0 : isDown ? reached(previous) : reached(previous) + 1;
    while (x > startX && x - k > 0) {
      x--;
      kept.push([x, x - k]);
    }
    if (edits === 0) break;
    x = reached(previous);
    y = x - previous;
  }
  return kept.reverse();
}

function editsBetween(kept: readonly (readonly [number, number])[], all: Edit): Edit[] {
  const edits: Edit[] = [];
  let [before, after] = [all.beforeStart, all.afterStart];
  const add = (beforeEnd: number, afterEnd: number): void => {
    if (beforeEnd > before || afterEnd > after) {
      edits.push({ beforeStart: before, beforeEnd, afterStart: after, afterEnd });
    }
  };
  for (const [x, y] of kept) {
    add(all.beforeStart + x, all.afterStart + y);
    [before, after] = [all.beforeStart + x + 1, all.afterStart + y + 1];
  }
  add(all.beforeEnd, all.afterEnd);
  return edits;
}

/** Empty where the texts are equal. Names stand behind `---` and `+++` as they are given. */
export function unifiedDiff(
  before: { readonly name: string; readonly text: string },
  after: { readonly name: string; readonly text: string },
): string {
  const [old, young] = [splitLines(before.text), splitLines(after.text)];
  const edits = findEdits(old, young);
  if (edits.length === 0) return '';
  const hunks = groupsOf(edits).map((group) => hunkOf(group, old, young));
  return `--- ${before.name}\n+++ ${after.name}\n${hunks.join('')}`;
}

/** Edits so close that their context would touch. */
function groupsOf(edits: readonly Edit[]): Edit[][] {
  const groups: Edit[][] = [];
  for (const edit of edits) {
    const group = groups.at(-1);
    const last = group?.at(-1);
    if (group !== undefined && last !== undefined && edit.beforeStart - last.beforeEnd <= 2 * CONTEXT_LINES) {
      group.push(edit);
    } else groups.push([edit]);
  }
  return groups;
}

function hunkOf(edits: readonly Edit[], before: readonly string[], after: readonly string[]): string {
  const [first, last] = [edits[0], edits.at(-1)];
  if (first === undefined || last === undefined) return '';
  const lead = Math.min(CONTEXT_LINES, first.beforeStart);
  const tail = Math.min(CONTEXT_LINES, before.length - last.beforeEnd);
  const range = (start: number, end: number): string => {
    const count = end - start;
    // An empty range is named by the line before it.
    const line = count === 0 ? start : start + 1;
    return count === 1 ? `${line}` : `${line},${count}`;
  };
  const old = range(first.beforeStart - lead, last.beforeEnd + tail);
  const young = range(first.afterStart - lead, last.afterEnd + tail);
  let text = `@@ -${old} +${young} @@\n`;
  let at = first.beforeStart - lead;
  const show = (mark: string, lines: readonly string[]): void => {
    for (const line of lines)
      text += `${mark}${line.endsWith('\n') ? line : `${line}\n\\ No newline at end of file\n`}`;
  };
  for (const edit of edits) {
    show(' ', before.slice(at, edit.beforeStart));
    show('-', before.slice(edit.beforeStart, edit.beforeEnd));
    show('+', after.slice(edit.afterStart, edit.afterEnd));
    at = edit.beforeEnd;
  }
  show(' ', before.slice(at, last.beforeEnd + tail));
  return text;
}
