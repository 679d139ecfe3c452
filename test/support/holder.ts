/** A program that has a file open and does nothing, as an idle server has its database. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';

const SCRIPT = "require('node:fs').openSync(process.argv[1]); console.log('open'); setInterval(() => undefined, 1000)";

export class Holder {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  static async start(t: { after(act: () => Promise<void>): void }, path: string): Promise<Holder> {
    const child = spawn(process.execPath, ['-e', SCRIPT, path], { stdio: ['ignore', 'pipe', 'inherit'] });
    const holder = new Holder(child);
    t.after(() => holder.stop());
    if (child.stdout !== null) await once(child.stdout, 'data');
    return holder;
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await gone;
  }
}
