/** The ways by which a message goes out: each throws where it did not. */

import { NOTIFICATION_MS_MAX } from '../limits.ts';
import type { Message, MessageLevel } from './message.ts';
import type { Notifications } from './notification-settings.ts';

export const CHANNELS = ['webhook', 'ntfy', 'email'] as const;
export type ChannelName = (typeof CHANNELS)[number];

export interface Channel {
  readonly name: ChannelName;
  readonly send: (message: Message) => Promise<void>;
}

export function channelsOf({ webhook, ntfy, email }: Notifications): Channel[] {
  return [
    ...(webhook === null
      ? []
      : [{ name: 'webhook', send: (message: Message) => sendWebhook(webhook, message) } as const]),
    ...(ntfy === null ? [] : [{ name: 'ntfy', send: (message: Message) => sendNtfy(ntfy, message) } as const]),
    ...(email === null ? [] : [{ name: 'email', send: (message: Message) => sendMail(email, message) } as const]),
  ];
}

async function postJson(url: string, body: object, headers: { readonly [name: string]: string } = {}): Promise<void> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
    // A redirect would carry the message, and perhaps a token, to somebody else.
    redirect: 'manual',
    signal: AbortSignal.timeout(NOTIFICATION_MS_MAX),
  });
  await response.body?.cancel();
  if (!response.ok) throw new Error(`it was answered with status ${response.status}`);
}

function sendWebhook({ url }: NonNullable<Notifications['webhook']>, message: Message): Promise<void> {
  return postJson(url, message);
}

const NTFY: { readonly [level in MessageLevel]: { readonly priority: number; readonly tags: readonly string[] } } = {
  info: { priority: 3, tags: ['white_check_mark'] },
  warning: { priority: 4, tags: ['warning'] },
  error: { priority: 5, tags: ['rotating_light'] },
};

/** As JSON to the server itself: headers, which the short form uses, hold no names that are not ASCII. */
function sendNtfy({ url, token }: NonNullable<Notifications['ntfy']>, message: Message): Promise<void> {
  const place = new URL(url);
  const [, folder = '/', topic = ''] = /^(.*\/)([^/]+)\/*$/.exec(place.pathname) ?? [];
  if (topic === '') throw new Error('its address names no topic');
  const { title, text, level } = message;
  const click = message.url === null ? {} : { click: message.url };
  const body = {
    topic: decodeURIComponent(topic),
    title,
    message: text === '' ? title : text,
    ...NTFY[level],
    ...click,
  };
  return postJson(new URL(folder, place).href, body, token === '' ? {} : { authorization: `Bearer ${token}` });
}

async function sendMail(mail: NonNullable<Notifications['email']>, message: Message): Promise<void> {
  const { createTransport } = await import('nodemailer');
  const { host, port, security, user, password: pass, from, to } = mail;
  const transport = createTransport({
    host,
    port,
    secure: security === 'tls',
    requireTLS: security === 'starttls',
    ignoreTLS: security === 'none',
    ...(user === '' ? {} : { auth: { user, pass } }),
    connectionTimeout: NOTIFICATION_MS_MAX,
    greetingTimeout: NOTIFICATION_MS_MAX,
    socketTimeout: NOTIFICATION_MS_MAX,
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  try {
    const text = [message.text, ...(message.url === null ? [] : [message.url])]
      .filter((line) => line !== '')
      .join('\n\n');
    await transport.sendMail({ from, to: [...to], subject: message.title, text });
  } finally {
    transport.close();
  }
}
