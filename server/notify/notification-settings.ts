/** Who is told of what, and how. Passwords go in and never come out again. */

import { type Static, Type } from 'typebox';
import { MAIL_RECIPIENTS_MAX, STALE_DAYS_DEFAULT, STALE_DAYS_MAX } from '../limits.ts';
import { CLOSED, Nullable, Words } from '../schemas.ts';
import type { Setting } from '../settings.ts';

export const MAIL_SECURITY = ['tls', 'starttls', 'none'] as const;

const WebAddress = Type.String({ maxLength: 2000, pattern: '^https?://[^\\s]+$' });
/** Nothing that could begin another line, or another recipient. */
const MailAddress = Type.String({ maxLength: 254, pattern: '^[^\\s@<>(),;:"\\\\]+@[^\\s@<>(),;:"\\\\]+$' });
const Secret = Type.String({ maxLength: 1000 });

const webhook = { url: WebAddress };
const ntfy = { url: Type.String({ ...WebAddress, description: 'With the topic: https://ntfy.sh/my-topic' }) };
const email = {
  host: Type.String({ minLength: 1, maxLength: 253, pattern: '^[^\\s/]+$' }),
  port: Type.Integer({ minimum: 1, maximum: 65_535 }),
  security: Words(MAIL_SECURITY),
  user: Type.String({ maxLength: 254, description: 'Empty: without signing in' }),
  from: MailAddress,
  to: Type.Array(MailAddress, { minItems: 1, maxItems: MAIL_RECIPIENTS_MAX }),
};
const when = {
  on_failure: Type.Boolean(),
  on_success: Type.Boolean(),
  stale_days: Nullable(
    Type.Integer({ minimum: 1, maximum: STALE_DAYS_MAX, description: 'Tell when no backup succeeded for so long' }),
  ),
  page_url: Nullable(
    Type.String({ ...WebAddress, description: 'Where people reach this page, for links in messages' }),
  ),
  ping_url: Nullable(
    Type.String({
      ...WebAddress,
      description: 'Told of each night: /start, /fail, and itself, as healthchecks.io has it',
    }),
  ),
};

const Stored = Type.Object(
  {
    ...when,
    webhook: Type.Union([Type.Object(webhook, CLOSED), Type.Null()]),
    ntfy: Type.Union([Type.Object({ ...ntfy, token: Secret }, CLOSED), Type.Null()]),
    email: Type.Union([Type.Object({ ...email, password: Secret }, CLOSED), Type.Null()]),
  },
  CLOSED,
);
export type Notifications = Static<typeof Stored>;

/** As it is set: a secret that is left out stays as it was. */
export const NotificationsInput = Type.Object(
  {
    ...when,
    webhook: Nullable(Type.Object(webhook, CLOSED)),
    ntfy: Nullable(Type.Object({ ...ntfy, token: Type.Optional(Secret) }, CLOSED)),
    email: Nullable(Type.Object({ ...email, password: Type.Optional(Secret) }, CLOSED)),
  },
  CLOSED,
);
export type NotificationsGiven = Static<typeof NotificationsInput>;

/** As it is shown: whether there is a secret. */
export const NotificationsView = Type.Object({
  ...when,
  webhook: Nullable(Type.Object(webhook)),
  ntfy: Nullable(Type.Object({ ...ntfy, token_set: Type.Boolean() })),
  email: Nullable(Type.Object({ ...email, password_set: Type.Boolean() })),
});

export const NOTIFICATIONS: Setting<typeof Stored> = {
  key: 'notifications',
  schema: Stored,
  initial: ({ sources }) => ({
    on_failure: true,
    on_success: false,
    stale_days: sources.length > 0 ? STALE_DAYS_DEFAULT : null,
    page_url: null,
    ping_url: null,
    webhook: null,
    ntfy: null,
    email: null,
  }),
};

export function viewOf({ ntfy: topic, email: mail, ...rest }: Notifications): Static<typeof NotificationsView> {
  return {
    ...rest,
    ntfy: topic === null ? null : { url: topic.url, token_set: topic.token !== '' },
    email: mail === null ? null : { ...withoutPassword(mail), password_set: mail.password !== '' },
  };
}

function withoutPassword({ password: _, ...mail }: NonNullable<Notifications['email']>) {
  return mail;
}

/**
 * What is set, completed by the secrets that were there: but never for another place, where they would be handed to
 * whoever is there.
 */
export function completed(given: NotificationsGiven, before: Notifications): Notifications {
  const { ntfy: topic, email: mail } = given;
  const sameTopic = topic !== null && before.ntfy?.url === topic.url;
  const sameMail = mail !== null && before.email?.host === mail.host && before.email.user === mail.user;
  return {
    ...given,
    ntfy: topic === null ? null : { ...topic, token: topic.token ?? (sameTopic ? (before.ntfy?.token ?? '') : '') },
    email:
      mail === null ? null : { ...mail, password: mail.password ?? (sameMail ? (before.email?.password ?? '') : '') },
  };
}
