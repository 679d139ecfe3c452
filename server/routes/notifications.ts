/** Who is told when something failed, and a test of it. */

import { Type } from 'typebox';
import type { App, ServerContext } from '../context.ts';
import { CHANNELS } from '../notify/channels.ts';
import {
  completed,
  NOTIFICATIONS,
  NotificationsInput,
  NotificationsView,
  viewOf,
} from '../notify/notification-settings.ts';
import { ServerError } from '../problems.ts';
import { CLOSED, Nullable, PROBLEM_RESPONSES, Words } from '../schemas.ts';

export const Deliveries = Type.Object({
  deliveries: Type.Array(
    Type.Object({
      channel: Words(CHANNELS),
      problem: Nullable(Type.String({ description: 'Why it did not get through; null where it did' })),
    }),
  ),
});

export function notificationRoutes(app: App, { settings, notifier }: ServerContext): void {
  app.get(
    '/settings/notifications',
    {
      config: { access: 'admin' },
      schema: {
        summary: 'Who is told of what',
        response: { 200: NotificationsView, ...PROBLEM_RESPONSES },
      },
    },
    async () => viewOf(settings.get(NOTIFICATIONS)),
  );

  app.put(
    '/settings/notifications',
    {
      config: { access: 'admin' },
      schema: {
        summary: 'Change who is told of what; a password that is left out stays as it was',
        body: NotificationsInput,
        response: { 200: NotificationsView, ...PROBLEM_RESPONSES },
      },
    },
    async ({ body }) => {
      for (const url of [body.webhook?.url, body.ntfy?.url, body.ping_url, body.page_url]) {
        if (typeof url === 'string' && !URL.canParse(url)) {
          throw new ServerError('REQUEST_INVALID', `"${url}" is no address: give one such as https://example.org/hook`);
        }
      }
      settings.set(NOTIFICATIONS, completed(body, settings.get(NOTIFICATIONS)));
      return viewOf(settings.get(NOTIFICATIONS));
    },
  );

  app.post(
    '/settings/notifications/test',
    {
      config: { access: 'admin' },
      schema: {
        summary: 'Send a test by every way that is set',
        body: Type.Object({}, CLOSED),
        response: { 200: Deliveries, ...PROBLEM_RESPONSES },
      },
    },
    async () => {
      const deliveries = await notifier.test();
      if (deliveries.length === 0) throw new ServerError('CONFLICT', 'No way is set by which a message could go out');
      return { deliveries: deliveries.map(({ channel, problem }) => ({ channel, problem: problem ?? null })) };
    },
  );
}
