/** Plans of zips, the ones asked for last: a download that goes on asks for the same one again. */

import { createHash } from 'node:crypto';
import type { ZipPlan } from '../engine/index.ts';
import { ZIP_PLANS_MAX } from './limits.ts';

export class ZipPlans {
  readonly #kept = new Map<string, ZipPlan>();

  /** The plan of what `parts` name, made where it is not there. Throws as `make` does. */
  async plan(parts: readonly (string | Buffer)[], make: () => Promise<ZipPlan>): Promise<ZipPlan> {
    const key = keyOf(parts);
    const plan = this.#kept.get(key) ?? (await make());
    this.#kept.delete(key);
    this.#kept.set(key, plan);
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > ZIP_PLANS_MAX && oldest !== undefined) this.#kept.delete(oldest);
    return plan;
  }
}

function keyOf(parts: readonly (string | Buffer)[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(`${part.length} `).update(part);
  return hash.digest('hex');
}
