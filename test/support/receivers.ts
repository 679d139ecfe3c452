/** Who gets messages: a web server, and a mail server that speaks as much SMTP as a sender needs. */

import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Json } from './cli.ts';

const ARRIVES_MS_MAX = 20_000;

class Inbox<Item> {
  readonly items: Item[] = [];

  /** Waits until so many came. */
  async until(count: number): Promise<readonly Item[]> {
    for (let waitedMs = 0; this.items.length < count; waitedMs += 20) {
      if (waitedMs > ARRIVES_MS_MAX) throw new Error(`${this.items.length} came, not ${count}`);
      await sleep(20);
    }
    return this.items;
  }
}

export interface Posted {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly text: string;
  readonly json: Json;
}

/** Takes whatever is sent to it, and answers with `status()`. */
export class WebReceiver extends Inbox<Posted> {
  readonly url: string;

  private constructor(url: string) {
    super();
    this.url = url;
  }

  static async start(t: TestContext, status: () => number = () => 200): Promise<WebReceiver> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.after(() => {
      server.closeAllConnections();
      server.close();
    });
    const receiver = new WebReceiver(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    server.on('request', async (request, response) => {
      let text = '';
      for await (const piece of request) text += piece;
      const { method = '', url: path = '', headers } = request;
      const json = text.startsWith('{') ? JSON.parse(text) : undefined;
      receiver.items.push({ method, path, headers, text, json });
      const code = status();
      response.writeHead(code, code >= 300 && code < 400 ? { location: `${receiver.url}/elsewhere` } : {}).end();
    });
    return receiver;
  }
}

export interface Mail {
  readonly from: string;
  readonly to: readonly string[];
  readonly data: string;
  /** What it signed in with, as it came. */
  readonly auth: string | undefined;
}

export class MailReceiver extends Inbox<Mail> {
  readonly port: number;

  private constructor(port: number) {
    super();
    this.port = port;
  }

  /** `password` undefined: everybody may send. */
  static async start(
    t: TestContext,
    account?: { readonly user: string; readonly password: string },
  ): Promise<MailReceiver> {
    const server = createTcpServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.after(() => server.close());
    const receiver = new MailReceiver((server.address() as AddressInfo).port);
    server.on('connection', (socket) => {
      socket.on('error', () => undefined);
      receiver.#serve(socket, account).catch(() => socket.destroy());
    });
    return receiver;
  }

  async #serve(
    socket: Socket,
    account: { readonly user: string; readonly password: string } | undefined,
  ): Promise<void> {
    const say = (line: string): boolean => socket.write(`${line}\r\n`);
    const wanted = account && Buffer.from(`\0${account.user}\0${account.password}`).toString('base64');
    let mail = { from: '', to: [] as string[], data: '', auth: undefined as string | undefined };
    let isData = false;
    say('220 mail.test ESMTP');
    for await (const line of createInterface({ input: socket, crlfDelay: Number.POSITIVE_INFINITY })) {
      if (isData) {
        if (line !== '.') {
          mail.data += `${line}\n`;
          continue;
        }
        isData = false;
        this.items.push(mail);
        mail = { from: '', to: [], data: '', auth: mail.auth };
        say('250 taken');
      } else if (/^EHLO/i.test(line)) {
        socket.write(`250-mail.test\r\n${wanted === undefined ? '' : '250-AUTH PLAIN\r\n'}250 8BITMIME\r\n`);
      } else if (/^AUTH PLAIN/i.test(line)) {
        const auth = line.slice('AUTH PLAIN '.length);
        if (auth === wanted) mail.auth = auth;
        say(auth === wanted ? '235 welcome' : '535 5.7.8 wrong name or password');
      } else if (/^MAIL FROM:/i.test(line)) {
        mail.from = /<(.*?)>/.exec(line)?.[1] ?? '';
        say(wanted === undefined || mail.auth !== undefined ? '250 ok' : '530 sign in first');
      } else if (/^RCPT TO:/i.test(line)) {
        mail.to.push(/<(.*?)>/.exec(line)?.[1] ?? '');
        say('250 ok');
      } else if (/^DATA/i.test(line)) {
        isData = true;
        say('354 go on');
      } else if (/^QUIT/i.test(line)) {
        say('221 bye');
        socket.end();
      } else say('500 what?');
    }
  }
}
