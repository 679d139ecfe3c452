/** Questions to a person. */

import { createInterface } from 'node:readline/promises';

/** True for a yes. Where no person is there to ask, it is no. */
export async function askYesNo(question: string): Promise<boolean> {
  if (process.stdin.isTTY !== true || process.stderr.isTTY !== true) return false;
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await lines.question(`${question} [y/N] `);
    return /^y(?:es)?$/i.test(answer.trim());
  } finally {
    lines.close();
  }
}
