/**
 * A link that signs somebody in, once: a door beside the server, at a port of its own, which only the demonstration opens.
 * It signs in as anybody would, by name and password, and hands the browser the cookie that the server gave; browsers do
 * not tell ports of a host apart when they keep cookies. The server itself knows nothing of it.
 */

import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';

export const LINK_MINUTES_MAX = 15;
const SECRET_BYTES = 32;
const HOST = '127.0.0.1';

export interface DoorOptions {
  /** Signs in; answers the Set-Cookie header of the new session. */
  readonly signIn: () => Promise<string>;
  /** Where the browser goes then. */
  readonly page: string;
  /** Milliseconds since 1970. */
  readonly nowMs?: () => number;
}

export class SignInDoor {
  readonly link: string;
  readonly #server: Server;

  private constructor(server: Server, link: string) {
    this.#server = server;
    this.link = link;
  }

  static async open({ signIn, page, nowMs = Date.now }: DoorOptions): Promise<SignInDoor> {
    const token = randomBytes(SECRET_BYTES).toString('base64url');
    const closesMs = nowMs() + LINK_MINUTES_MAX * 60_000;
    let isUsed = false;
    const server = createServer((request, response) => {
      response.setHeader('cache-control', 'no-store');
      response.setHeader('referrer-policy', 'no-referrer');
      const refusal = refusalOf(request, token, isUsed || nowMs() >= closesMs);
      if (refusal !== undefined) {
        say(response, ...refusal);
        return;
      }
      isUsed = true;
      signIn().then(
        (cookie) => response.writeHead(303, { 'set-cookie': cookie, location: page }).end(),
        () => say(response, 502, 'The server did not let this link in: end the demonstration and start it again.'),
      );
    });
    server.listen(0, HOST);
    await once(server, 'listening');
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    return new SignInDoor(server, `http://${HOST}:${port}/${token}`);
  }

  async close(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }
}

function refusalOf(
  { method, url = '', headers }: IncomingMessage,
  token: string,
  isOver: boolean,
): [number, string] | undefined {
  if (method !== 'GET' || !equalTexts(url, `/${token}`)) return [404, 'There is nothing here.'];
  // A browser that looks ahead is nobody who came in.
  if (headers['sec-purpose']?.includes('prefetch') === true) return [503, 'Come in by opening the link.'];
  if (isOver) return [410, 'This link worked once, and not for long. The terminal says how to sign in again.'];
  return undefined;
}

function equalTexts(one: string, other: string): boolean {
  const hash = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(hash(one), hash(other));
}

function say(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' }).end(`${text}\n`);
}
