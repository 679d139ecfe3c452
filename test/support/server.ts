/** A server within the test's own process, asked through `inject`, with a clock that the test sets. */

import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { InjectOptions, LightMyRequestResponse } from 'fastify';
import { initRepository } from '../../engine/index.ts';
import { createServer, type ServeOptions, type Server } from '../../server/index.ts';
import { testFolder } from './build-repository.ts';
import type { Json } from './cli.ts';

export const ADMIN = { name: 'admin', password: 'correct horse' } as const;

export interface Answer {
  readonly status: number;
  readonly headers: LightMyRequestResponse['headers'];
  readonly cookies: LightMyRequestResponse['cookies'];
  readonly text: string;
  readonly bytes: Buffer;
  /** The body as JSON; undefined where it is none. */
  readonly json: Json;
}

export interface Ask {
  readonly method?: InjectOptions['method'];
  readonly query?: { readonly [name: string]: string | string[] };
  readonly body?: InjectOptions['payload'];
  readonly headers?: { readonly [name: string]: string };
}

export class ServerFixture {
  readonly folder: string;
  readonly source: string;
  readonly options: ServeOptions;
  /** What the server wrote into its log. */
  readonly log: string[] = [];
  /** Milliseconds since 1970, as the server sees it; it stands still. */
  nowMs = Date.parse('2026-03-01T12:00:00Z');
  #server: Server | undefined;

  private constructor(folder: string, options: Partial<ServeOptions>) {
    this.folder = folder;
    this.source = join(folder, 'source');
    mkdirSync(this.source, { recursive: true });
    this.options = {
      listen: { host: '127.0.0.1', port: 0 },
      basePath: '',
      trustedProxies: [],
      stateDirectory: join(folder, 'state'),
      location: join(folder, 'repository'),
      cacheDirectory: join(folder, 'cache'),
      credential: { type: 'none' },
      sources: [Buffer.from(this.source)],
      backup: {},
      hooks: [],
      hookEnvironment: {},
      retention: undefined,
      night: {
        schedule: { pruneEveryMs: undefined, checkEveryMs: undefined, checkParts: 12, rehearseEveryMs: undefined },
        copies: [],
        expectedDatabases: [],
      },
      scheduleDefaults: { cron: '0 2 * * *', zone: 'UTC' },
      setupLink: false,
      log: { level: 'debug', format: 'json', write: (line) => this.log.push(line) },
      passwordCost: { memoryKiB: 8, iterations: 1 },
      nowMs: () => this.nowMs,
      ...options,
    };
  }

  static async start(t: TestContext, options: Partial<ServeOptions> = {}): Promise<ServerFixture> {
    const fixture = new ServerFixture(testFolder(t), options);
    const { location, cacheDirectory, credential } = fixture.options;
    const repository = await initRepository({ location, cacheDirectory, credential });
    await repository.close();
    await fixture.restart();
    t.after(() => fixture.#server?.close());
    return fixture;
  }

  get server(): Server {
    if (this.#server === undefined) throw new Error('The server is closed');
    return this.#server;
  }

  /** Ends it and starts it anew on the same state. */
  async restart(options: Partial<ServeOptions> = {}): Promise<void> {
    await this.#server?.close();
    this.#server = undefined;
    this.#server = await createServer({ ...this.options, ...options });
  }

  async ask(url: string, { method = 'GET', query, body, headers }: Ask = {}): Promise<Answer> {
    const response = await this.server.app.inject({
      method,
      url,
      ...(query === undefined ? {} : { query }),
      ...(body === undefined ? {} : { payload: body }),
      headers: { ...headers },
    });
    return answerOf(response);
  }

  /** Uses the setup link, as the first admin would. */
  async setUp(): Promise<SignedIn> {
    const link = this.server.context.authentication.setupLink.addressAt('');
    const token = link?.split('#token=')[1];
    const answer = await this.ask(this.api('/setup'), { method: 'POST', body: { token, ...ADMIN } });
    return new SignedIn(this, answer);
  }

  async signIn(): Promise<SignedIn> {
    return new SignedIn(this, await this.ask(this.api('/session'), { method: 'POST', body: ADMIN }));
  }

  /** The secret of a new API token. */
  async token(...scopes: readonly string[]): Promise<{ readonly authorization: string }> {
    const admin = this.server.context.state.users.count() === 0 ? await this.setUp() : await this.signIn();
    const { json, text } = await admin.ask('/tokens', { method: 'POST', body: { name: 'script', scopes } });
    if (json?.secret === undefined) throw new Error(`No token was made: ${text}`);
    return { authorization: `Bearer ${json.secret}` };
  }

  api(path: string): string {
    return `${this.options.basePath}/api/v1${path}`;
  }
}

/** A browser that is signed in: it sends its cookie, and the header that changes need. */
export class SignedIn {
  readonly #fixture: ServerFixture;
  readonly cookie: string;
  readonly csrfToken: string;
  /** What the server answered to the sign-in. */
  readonly answer: Answer;

  constructor(fixture: ServerFixture, answer: Answer) {
    if (answer.status !== 201) throw new Error(`The sign-in failed: ${answer.text}`);
    this.#fixture = fixture;
    this.answer = answer;
    this.cookie = answer.cookies.map(({ name, value }) => `${name}=${value}`).join('; ');
    this.csrfToken = answer.json.csrf_token;
  }

  ask(path: string, ask: Ask = {}): Promise<Answer> {
    const headers = { cookie: this.cookie, 'x-csrf-token': this.csrfToken, ...ask.headers };
    return this.#fixture.ask(this.#fixture.api(path), { ...ask, headers });
  }

  /** The job once it is over. */
  async untilOver(id: number): Promise<Json> {
    return untilOver(async () => (await this.ask(`/jobs/${id}`)).json);
  }
}

/** The job that a POST starts, once it is over. */
export async function over(admin: SignedIn, path: string, body: object): Promise<Json> {
  const { json, text, status } = await admin.ask(path, { method: 'POST', body });
  assert.equal(status, 202, text);
  return (await admin.untilOver(json.job.id)).job;
}

const JOB_MS_MAX = 60_000;

/** Waits for the end of a job, which is asked for again and again. */
export async function untilOver(find: () => Promise<Json>): Promise<Json> {
  for (let waitedMs = 0; waitedMs < JOB_MS_MAX; waitedMs += 50) {
    const details = await find();
    if (!['QUEUED', 'RUNNING'].includes(details.job.status)) return details;
    await sleep(50);
  }
  throw new Error('The job does not end');
}

function answerOf(response: LightMyRequestResponse): Answer {
  const isJson = /json/.test(String(response.headers['content-type'] ?? ''));
  return {
    status: response.statusCode,
    headers: response.headers,
    cookies: response.cookies,
    text: response.body,
    bytes: response.rawPayload,
    json: isJson && response.body !== '' ? JSON.parse(response.body) : undefined,
  };
}
