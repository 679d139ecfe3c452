/** What happens, as server-sent events. */

import type { FastifyReply } from 'fastify';
import { Type } from 'typebox';
import type { App, ServerContext } from '../context.ts';
import type { EventLog, ServerEvent } from '../events.ts';
import { EVENT_BACKLOG_BYTES_MAX, EVENT_CLIENTS_MAX, EVENT_HEARTBEAT_MS } from '../limits.ts';
import { ServerError } from '../problems.ts';
import { PROBLEM_RESPONSES } from '../schemas.ts';

/** How soon a browser that lost its connection comes back. */
const RETRY_MS = 2000;

export function eventRoutes(app: App, { events, authentication }: ServerContext): void {
  const streams = new Set<EventStream>();
  app.addHook('preClose', async () => {
    for (const stream of streams) stream.end();
  });

  app.get(
    '/events',
    {
      config: { access: 'read' },
      exposeHeadRoute: false,
      schema: {
        summary: 'Server-sent events: job, progress, line, problem, and what other parts tell',
        description: 'With Last-Event-ID what was missed comes first; "gap" says that more was missed than is kept.',
        headers: Type.Object({ 'last-event-id': Type.Optional(Type.String({ maxLength: 100 })) }),
        response: { 200: Type.Any({ description: 'text/event-stream' }), ...PROBLEM_RESPONSES },
      },
    },
    (request, reply) => {
      if (streams.size >= EVENT_CLIENTS_MAX) throw new ServerError('BUSY', 'Too many pages watch already');
      const { identity } = request;
      const isStillThere = () => identity !== undefined && authentication.isStillThere(identity);
      const stream = new EventStream({ reply, events, isStillThere });
      streams.add(stream);
      reply.raw.once('close', () => streams.delete(stream));
      stream.begin(request.headers['last-event-id']);
    },
  );
}

class EventStream {
  readonly #reply: FastifyReply;
  readonly #events: EventLog;
  readonly #isStillThere: () => boolean;
  #stop: () => void = () => undefined;

  constructor(parts: {
    readonly reply: FastifyReply;
    readonly events: EventLog;
    readonly isStillThere: () => boolean;
  }) {
    this.#reply = parts.reply;
    this.#events = parts.events;
    this.#isStillThere = parts.isStillThere;
  }

  begin(lastId: string | undefined): void {
    const { raw } = this.#reply;
    for (const [name, value] of Object.entries(this.#reply.getHeaders())) {
      if (value !== undefined) raw.setHeader(name, value);
    }
    this.#reply.hijack();
    raw.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      // Proxies that gather answers would keep events back.
      'x-accel-buffering': 'no',
      // Once it ends there is nothing that a server which closes would wait for.
      connection: 'close',
    });
    const { missed, isGap, end } = this.#events.subscribe((event) => this.#write(event), lastId);
    const heartbeat = setInterval(() => this.#beat(), EVENT_HEARTBEAT_MS);
    this.#stop = () => {
      end();
      clearInterval(heartbeat);
    };
    raw.once('close', this.#stop);
    raw.on('error', () => undefined);
    raw.write(`retry: ${RETRY_MS}\n\n`);
    if (isGap) this.#write({ id: this.#events.lastId, type: 'gap', data: {} });
    else if (lastId === undefined) this.#write({ id: this.#events.lastId, type: 'hello', data: {} });
    for (const event of missed) this.#write(event);
  }

  end(): void {
    this.#stop();
    this.#reply.raw.end();
  }

  #beat(): void {
    if (!this.#isStillThere()) this.end();
    else this.#reply.raw.write(': still here\n\n');
  }

  #write({ id, type, data }: ServerEvent): void {
    const { raw } = this.#reply;
    if (!this.#isStillThere()) {
      this.end();
      return;
    }
    if (raw.writableLength > EVENT_BACKLOG_BYTES_MAX) {
      // It comes back, and hears what it missed.
      this.#stop();
      raw.destroy();
      return;
    }
    raw.write(`${id === undefined ? '' : `id: ${id}\n`}event: ${type}\ndata: ${JSON.stringify(data)}\n\n`);
  }
}
