/** The true server as a process of its own, with an admin who is signed in. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const PROGRAM = fileURLToPath(new URL('../cli/main.js', import.meta.url));
const STARTS_MS_MAX = 120_000;
const ADMIN = { name: 'admin', password: 'only for a bench, and not for long' };

export interface ServedOptions {
  readonly repository: string;
  readonly cacheDirectory: string;
  readonly stateDirectory: string;
  readonly sources: readonly string[];
}

export class Served {
  readonly #child: ChildProcess;
  readonly url: string;
  /** Of whoever is signed in. */
  readonly headers: { readonly [name: string]: string };

  private constructor(child: ChildProcess, url: string, headers: { readonly [name: string]: string }) {
    this.#child = child;
    this.url = url;
    this.headers = headers;
  }

  /** Throws where it does not start. */
  static async start({ repository, cacheDirectory, stateDirectory, sources }: ServedOptions): Promise<Served> {
    const flags = ['--repo', repository, '--insecure-no-password', '--cache-dir', cacheDirectory];
    const server = ['serve', '--listen', '127.0.0.1:0', '--state', stateDirectory, ...sources];
    const child = spawn(process.execPath, [PROGRAM, ...flags, ...server], { stdio: ['ignore', 'ignore', 'pipe'] });
    const tooLong = setTimeout(() => child.kill('SIGKILL'), STARTS_MS_MAX);
    const said: string[] = [];
    const found = { url: '', token: '' };
    const lines = createInterface({ input: child.stderr });
    await new Promise<void>((resolve) => {
      // Whatever it writes later is read, too: it must not wait for that.
      lines.on('line', (line) => {
        if (found.token !== '' && found.url !== '') return;
        said.push(line);
        if (!line.startsWith('{')) return;
        const { msg = '', setup = '' } = JSON.parse(line) as { readonly msg?: string; readonly setup?: string };
        found.url ||= /^Listening at (.*)/.exec(msg)?.[1] ?? '';
        found.token ||= setup.split('#token=')[1] ?? '';
        if (found.token !== '' && found.url !== '') resolve();
      });
      lines.once('close', resolve);
    });
    clearTimeout(tooLong);
    if (found.token === '') throw new Error(`The server did not start:\n${said.join('\n')}`);
    const answer = await fetch(`${found.url}/api/v1/setup`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ token: found.token, ...ADMIN }),
    });
    const { csrf_token: csrf } = (await answer.json()) as { readonly csrf_token: string };
    const [cookie = ''] = (answer.headers.get('set-cookie') ?? '').split(';');
    return new Served(child, found.url, { cookie, 'x-csrf-token': csrf });
  }

  /** With a body a POST. Throws for anything that is not what was asked for. */
  async ask<Answer>(path: string, body?: object): Promise<Answer> {
    const method = body === undefined ? 'GET' : 'POST';
    const headers = body === undefined ? this.headers : { ...this.headers, 'content-type': 'application/json' };
    const sent = body === undefined ? {} : { body: JSON.stringify(body) };
    const answer = await fetch(`${this.url}/api/v1${path}`, { method, headers, ...sent });
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
    return (await answer.json()) as Answer;
  }

  async stop(): Promise<void> {
    const gone = once(this.#child, 'exit');
    this.#child.kill('SIGTERM');
    await gone;
  }
}
