/** What stands in the form of notifications, and what is wrong with it. */

import type { MailSecurity, Notifications, NotificationsInput } from '../../api-types.ts';

export interface NotificationForm {
  readonly onFailure: boolean;
  readonly onSuccess: boolean;
  readonly staleDays: string;
  readonly pageUrl: string;
  readonly pingUrl: string;
  readonly isWebhook: boolean;
  readonly webhookUrl: string;
  readonly isNtfy: boolean;
  readonly ntfyUrl: string;
  /** Undefined: the one that the server has. */
  readonly ntfyToken: string | undefined;
  readonly isEmail: boolean;
  readonly host: string;
  readonly port: string;
  readonly security: MailSecurity;
  readonly user: string;
  readonly password: string | undefined;
  readonly from: string;
  readonly to: string;
}

type Field = keyof NotificationForm;

export type Mistakes = { readonly [field in Field]?: string };

export const PORTS: { readonly [security in MailSecurity]: string } = { tls: '465', starttls: '587', none: '25' };

export function formOf(saved: Notifications): NotificationForm {
  const { webhook, ntfy, email } = saved;
  return {
    onFailure: saved.on_failure,
    onSuccess: saved.on_success,
    staleDays: String(saved.stale_days ?? ''),
    pageUrl: saved.page_url ?? '',
    pingUrl: saved.ping_url ?? '',
    isWebhook: webhook !== null,
    webhookUrl: webhook?.url ?? '',
    isNtfy: ntfy !== null,
    ntfyUrl: ntfy?.url ?? '',
    ntfyToken: undefined,
    isEmail: email !== null,
    host: email?.host ?? '',
    port: String(email?.port ?? PORTS.starttls),
    security: email?.security ?? 'starttls',
    user: email?.user ?? '',
    password: undefined,
    from: email?.from ?? '',
    to: email?.to.join(', ') ?? '',
  };
}

/** Whether the server has a secret for the place that the form names; it hands none to another place. */
export function keptSecrets(form: NotificationForm, { ntfy, email }: Notifications) {
  return {
    token: ntfy?.token_set === true && ntfy.url === form.ntfyUrl.trim(),
    password: email?.password_set === true && email.host === form.host.trim() && email.user === form.user.trim(),
  };
}

export function inputOf(form: NotificationForm): NotificationsInput {
  const { ntfyToken: token, password } = form;
  return {
    on_failure: form.onFailure,
    on_success: form.onSuccess,
    stale_days: form.staleDays.trim() === '' ? null : Number(form.staleDays),
    page_url: form.pageUrl.trim() || null,
    ping_url: form.pingUrl.trim() || null,
    webhook: form.isWebhook ? { url: form.webhookUrl.trim() } : null,
    ntfy: form.isNtfy ? { url: form.ntfyUrl.trim(), ...(token === undefined ? {} : { token }) } : null,
    email: form.isEmail
      ? {
          host: form.host.trim(),
          port: Number(form.port),
          security: form.security,
          user: form.user.trim(),
          ...(password === undefined ? {} : { password }),
          from: form.from.trim(),
          to: recipientsOf(form.to),
        }
      : null,
  };
}

function recipientsOf(text: string): string[] {
  return text.split(/[\s,;]+/).filter((one) => one !== '');
}

const STALE_DAYS_MAX = 3650;
const RECIPIENTS_MAX = 20;
const ADDRESS_CHARACTERS_MAX = 2000;
const MAIL = /^[^\s@<>(),;:"\\]+@[^\s@<>(),;:"\\]+$/;

/** By field, in words that say what to write instead. Empty where all is well. */
export function mistakesOf(form: NotificationForm): Mistakes {
  const found: Partial<Record<Field, string>> = {};
  const check = (field: Field, problem: string | undefined): void => {
    if (problem !== undefined) found[field] = problem;
  };
  check('staleDays', wholeNumber(form.staleDays, { max: STALE_DAYS_MAX, isOptional: true }));
  if (form.pageUrl.trim() !== '') check('pageUrl', address(form.pageUrl, 'https://nas.local/snap'));
  if (form.pingUrl.trim() !== '') check('pingUrl', address(form.pingUrl, 'https://hc-ping.com/your-id'));
  if (form.isWebhook) check('webhookUrl', address(form.webhookUrl, 'https://example.org/hook'));
  if (form.isNtfy) check('ntfyUrl', topicAddress(form.ntfyUrl));
  if (form.isEmail) {
    const host = form.host.trim();
    check(
      'host',
      /^[^\s/]{1,253}$/.test(host) ? undefined : 'Write the name of a mail server, such as smtp.example.org',
    );
    check('port', wholeNumber(form.port, { max: 65_535, isOptional: false }));
    check('from', MAIL.test(form.from.trim()) ? undefined : 'Write one address, such as snap@example.org');
    check('to', recipients(form.to));
  }
  return found;
}

function wholeNumber(
  text: string,
  { max, isOptional }: { readonly max: number; readonly isOptional: boolean },
): string | undefined {
  if (isOptional && text.trim() === '') return undefined;
  const value = Number(text);
  if (text.trim() !== '' && Number.isInteger(value) && value >= 1 && value <= max) return undefined;
  return `Write a whole number from 1 to ${max.toLocaleString('en')}`;
}

function address(text: string, example: string): string | undefined {
  const url = text.trim();
  if (url === '') return `Write its address, such as ${example}`;
  if (url.length > ADDRESS_CHARACTERS_MAX) return `At most ${ADDRESS_CHARACTERS_MAX} characters`;
  if (/^https?:\/\/\S+$/.test(url) && URL.canParse(url)) return undefined;
  return `This is no web address. One begins with http:// or https://, such as ${example}`;
}

function topicAddress(text: string): string | undefined {
  const example = 'https://ntfy.sh/my-topic';
  const problem = address(text, example);
  if (problem !== undefined) return problem;
  return /[^/]/.test(new URL(text.trim()).pathname) ? undefined : `It lacks the topic behind the server: ${example}`;
}

function recipients(text: string): string | undefined {
  const all = recipientsOf(text);
  if (all.length === 0) return 'Write at least one address, such as you@example.org';
  if (all.length > RECIPIENTS_MAX) return `At most ${RECIPIENTS_MAX} addresses`;
  const wrong = all.find((one) => !MAIL.test(one));
  return wrong === undefined ? undefined : `"${wrong}" is no address. Separate several by commas`;
}
