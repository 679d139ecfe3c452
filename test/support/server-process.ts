/** The true server: `snap serve` as a process of its own, asked through fetch. */

import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { CliFixture, Json, RunOptions } from './cli.ts';
import { ADMIN, untilOver } from './server.ts';

const STARTS_MS_MAX = 30_000;

export interface Exit {
  readonly code: number | null;
  readonly signal: string | null;
}

export class ServerProcess {
  readonly #child: ChildProcess;
  /** Lines of its log, each a JSON object. */
  readonly lines: string[] = [];
  readonly url: string;
  readonly exited: Promise<Exit>;

  private constructor(child: ChildProcess, lines: string[], exited: Promise<Exit>) {
    this.#child = child;
    this.lines = lines;
    this.exited = exited;
    const said = saidIn(lines);
    this.url = said.map(({ msg = '' }) => /^Listening at (.*)/.exec(msg)?.[1]).find((url) => url !== undefined) ?? '';
  }

  /** Starts it on any free port; ended after the test, whatever happens. */
  static async start(
    t: TestContext,
    fixture: CliFixture,
    { flags = [], ...options }: RunOptions & { readonly flags?: readonly string[] } = {},
  ): Promise<ServerProcess> {
    const state = join(fixture.folder, 'state');
    const parameters = ['serve', '--listen', '127.0.0.1:0', '--state', state, ...flags, fixture.source];
    return ServerProcess.of(t, fixture.spawn(parameters, options));
  }

  /** One that was started otherwise, with standard error piped; ended after the test, too. */
  static async of(t: TestContext, child: ChildProcess): Promise<ServerProcess> {
    const lines: string[] = [];
    let rest = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      const parts = `${rest}${text}`.split('\n');
      rest = parts.pop() ?? '';
      lines.push(...parts);
    });
    const exited = once(child, 'close').then(([code, signal]) => ({ code, signal }) as Exit);
    t.after(async () => {
      child.kill('SIGKILL');
      await exited;
    });
    for (let waitedMs = 0; !lines.some((line) => line.includes('"Ready"')); waitedMs += 20) {
      if (child.exitCode !== null || waitedMs > STARTS_MS_MAX) {
        throw new Error(`The server did not start: ${lines.join('\n')}${rest}`);
      }
      await sleep(20);
    }
    return new ServerProcess(child, lines, exited);
  }

  /** The secret of the setup link, where it wrote one. */
  get setupToken(): string | undefined {
    return saidIn(this.lines)
      .find(({ setup }) => setup !== undefined)
      ?.setup?.split('#token=')[1];
  }

  /** The same once it is there: its line comes right behind the address. */
  async untilSetupToken(): Promise<string> {
    for (let waitedMs = 0; waitedMs < STARTS_MS_MAX; waitedMs += 20) {
      if (this.setupToken !== undefined) return this.setupToken;
      await sleep(20);
    }
    throw new Error('The server wrote no setup link');
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Sends it a signal and waits until it is gone. */
  async end(signal: NodeJS.Signals): Promise<Exit> {
    this.#child.kill(signal);
    return this.exited;
  }

  /** Processes that it started and that still run. */
  jobPids(): number[] {
    const children = readFileSync(`/proc/${this.pid}/task/${this.pid}/children`, 'latin1').trim();
    return children === '' ? [] : children.split(' ').map(Number);
  }

  async setUp(): Promise<Visitor> {
    const body = JSON.stringify({ token: await this.untilSetupToken(), ...ADMIN });
    return Visitor.of(this.url, await postJson(`${this.url}/api/v1/setup`, body));
  }

  async signIn(): Promise<Visitor> {
    return Visitor.of(this.url, await postJson(`${this.url}/api/v1/session`, JSON.stringify(ADMIN)));
  }
}

function saidIn(lines: readonly string[]): readonly { readonly msg?: string; readonly setup?: string }[] {
  return lines.map((line) => JSON.parse(line));
}

function postJson(url: string, body: string): Promise<Response> {
  return fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
}

/** A browser that is signed in. */
export class Visitor {
  readonly #url: string;
  readonly cookie: string;
  readonly csrfToken: string;

  private constructor(url: string, cookie: string, csrfToken: string) {
    this.#url = url;
    this.cookie = cookie;
    this.csrfToken = csrfToken;
  }

  static async of(url: string, response: Response): Promise<Visitor> {
    if (response.status !== 201) throw new Error(`The sign-in failed: ${await response.text()}`);
    const [cookie = ''] = (response.headers.get('set-cookie') ?? '').split(';');
    const { csrf_token: csrfToken } = (await response.json()) as Json;
    return new Visitor(url, cookie, csrfToken);
  }

  fetch(path: string, { headers, ...options }: RequestInit & { readonly headers?: Record<string, string> } = {}) {
    return fetch(`${this.#url}/api/v1${path}`, {
      ...options,
      headers: { cookie: this.cookie, 'x-csrf-token': this.csrfToken, ...headers },
    });
  }

  async get(path: string): Promise<Json> {
    return (await this.fetch(path)).json();
  }

  async post(path: string, body: object = {}): Promise<Json> {
    const headers = { 'content-type': 'application/json' };
    return (await this.fetch(path, { method: 'POST', headers, body: JSON.stringify(body) })).json();
  }

  untilOver(id: number): Promise<Json> {
    return untilOver(() => this.get(`/jobs/${id}`));
  }

  /** The job once its process runs and told how far it is. */
  async untilRunning(id: number): Promise<Json> {
    for (let waitedMs = 0; waitedMs < STARTS_MS_MAX; waitedMs += 20) {
      const { job } = await this.get(`/jobs/${id}`);
      if (job.status === 'RUNNING' && (job.progress?.bytes_done ?? 0) > 0) return job;
      if (job.status !== 'QUEUED' && job.status !== 'RUNNING') throw new Error(`It is over: ${JSON.stringify(job)}`);
      await sleep(20);
    }
    throw new Error('The job does not begin');
  }
}
