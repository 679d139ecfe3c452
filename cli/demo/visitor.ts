/** Asks the server what a browser would ask it, through its API. */

import { setTimeout as sleep } from 'node:timers/promises';

const POLL_MS = 100;
/** Whose library it is, a server finds out at once, or not at all. */
const DETECTION_MS_MAX = 30_000;

export interface Account {
  readonly name: string;
  readonly password: string;
}

/** Signs in; answers the Set-Cookie header of the new session. */
export async function signIn(url: string, account: Account): Promise<string> {
  return cookieOf(await post(`${url}/session`, account)).header;
}

export class Visitor {
  readonly #url: string;
  readonly #headers: { readonly [name: string]: string };

  private constructor(url: string, headers: { readonly [name: string]: string }) {
    this.#url = url;
    this.#headers = headers;
  }

  /** Makes the first admin by the link of the server's log, and is signed in. `url` is that of the API. */
  static async setUp(url: string, link: string, account: Account): Promise<Visitor> {
    const token = new URL(link).hash.replace('#token=', '');
    const response = await post(`${url}/setup`, { token, ...account });
    const { cookie } = cookieOf(response);
    const { csrf_token: csrfToken } = (await response.json()) as { readonly csrf_token: string };
    return new Visitor(url, { cookie, 'x-csrf-token': csrfToken });
  }

  async signOut(): Promise<void> {
    await fetch(`${this.#url}/session`, { method: 'DELETE', headers: this.#headers });
  }

  /** Waits until the server knows whose library it has, for a while. */
  async untilDetected(signal: AbortSignal): Promise<void> {
    const over = AbortSignal.any([signal, AbortSignal.timeout(DETECTION_MS_MAX)]);
    await this.#until(over, async () => {
      const { origin } = (await this.#get('/settings/library')) as { readonly origin: string };
      return origin === 'detected';
    });
  }

  /** Has a whole night now, and waits for its end. */
  async haveNight(signal: AbortSignal): Promise<void> {
    const { job } = (await (await post(`${this.#url}/schedule/run`, {}, this.#headers)).json()) as {
      readonly job: { readonly id: number };
    };
    await this.#until(signal, async () => {
      const state = (await this.#get(`/jobs/${job.id}`)) as { readonly job: { readonly status: string } };
      return state.job.status !== 'QUEUED' && state.job.status !== 'RUNNING';
    });
  }

  async #until(signal: AbortSignal, isDone: () => Promise<boolean>): Promise<void> {
    while (!signal.aborted && !(await isDone())) await sleep(POLL_MS);
  }

  async #get(path: string): Promise<unknown> {
    return (await answered(await fetch(`${this.#url}${path}`, { headers: this.#headers }))).json();
  }
}

async function post(url: string, body: object, headers: { readonly [name: string]: string } = {}): Promise<Response> {
  const sent = { method: 'POST', headers: { 'content-type': 'application/json', ...headers } };
  return answered(await fetch(url, { ...sent, body: JSON.stringify(body) }));
}

async function answered(response: Response): Promise<Response> {
  if (response.ok) return response;
  throw new Error(`The server answered with ${response.status}: ${await response.text()}`);
}

function cookieOf(response: Response): { readonly header: string; readonly cookie: string } {
  const header = response.headers.get('set-cookie') ?? '';
  return { header, cookie: header.split(';')[0] ?? '' };
}
