/** The ways by which messages go out, each with its fields once it is wanted. */

import type { ComponentChildren } from 'preact';
import type { MailSecurity, Notifications } from '../../api-types.ts';
import { Checkbox, Group, SelectField, TextField } from '../../ui/fields.tsx';
import { SecretField } from '../../ui/passwords.tsx';
import { keptSecrets, type Mistakes, type NotificationForm, PORTS } from './notification-form.ts';

interface Props {
  readonly form: NotificationForm;
  readonly saved: Notifications;
  readonly mistakes: Mistakes;
  readonly onChange: (part: Partial<NotificationForm>) => void;
}

export function Channels(props: Props) {
  const { form, mistakes, onChange } = props;
  return (
    <Group title="By">
      <Channel label="Webhook" isOn={form.isWebhook} onChange={(isWebhook) => onChange({ isWebhook })}>
        <TextField
          label="Address of the webhook"
          type="url"
          value={form.webhookUrl}
          onChange={(webhookUrl) => onChange({ webhookUrl })}
          error={mistakes.webhookUrl}
          hint="It gets each message as JSON, by POST."
        />
      </Channel>
      <Channel label="ntfy" isOn={form.isNtfy} onChange={(isNtfy) => onChange({ isNtfy })}>
        <Ntfy {...props} />
      </Channel>
      <Channel label="E-mail" isOn={form.isEmail} onChange={(isEmail) => onChange({ isEmail })}>
        <Email {...props} />
      </Channel>
    </Group>
  );
}

function Channel(props: {
  readonly label: string;
  readonly isOn: boolean;
  readonly onChange: (isOn: boolean) => void;
  readonly children: ComponentChildren;
}) {
  return (
    <div class="channel">
      <Checkbox label={props.label} checked={props.isOn} onChange={props.onChange} />
      {props.isOn ? <div class="indented stack">{props.children}</div> : null}
    </div>
  );
}

function Ntfy({ form, saved, mistakes, onChange }: Props) {
  return (
    <div class="columns">
      <TextField
        label="Address with the topic"
        type="url"
        value={form.ntfyUrl}
        onChange={(ntfyUrl) => onChange({ ntfyUrl })}
        error={mistakes.ntfyUrl}
        hint="Such as https://ntfy.sh/my-topic"
      />
      <SecretField
        label="Access token"
        isKept={keptSecrets(form, saved).token}
        value={form.ntfyToken}
        onChange={(ntfyToken) => onChange({ ntfyToken })}
        hint="Only where the topic asks for one"
      />
    </div>
  );
}

const SECURITY: readonly (readonly [MailSecurity, string])[] = [
  ['starttls', 'STARTTLS (mostly port 587)'],
  ['tls', 'TLS (mostly port 465)'],
  ['none', 'None: readable on the way'],
];

function Email({ form, saved, mistakes, onChange }: Props) {
  const setSecurity = (security: MailSecurity): void => {
    const isUsual = form.port === PORTS[form.security];
    onChange({ security, ...(isUsual ? { port: PORTS[security] } : {}) });
  };
  return (
    <>
      <div class="columns">
        <TextField
          label="Mail server"
          value={form.host}
          onChange={(host) => onChange({ host })}
          error={mistakes.host}
          hint="Such as smtp.example.org"
        />
        <SelectField label="Encryption" value={form.security} options={SECURITY} onChange={setSecurity} />
        <TextField
          label="Port"
          type="number"
          min={1}
          value={form.port}
          onChange={(port) => onChange({ port })}
          error={mistakes.port}
        />
      </div>
      <div class="columns">
        <TextField
          label="User name"
          value={form.user}
          onChange={(user) => onChange({ user })}
          hint="Empty: without signing in"
        />
        <SecretField
          label="Password of the mail server"
          isKept={keptSecrets(form, saved).password}
          value={form.password}
          onChange={(password) => onChange({ password })}
        />
      </div>
      <div class="columns">
        <TextField
          label="From"
          type="email"
          value={form.from}
          onChange={(from) => onChange({ from })}
          error={mistakes.from}
        />
        <TextField
          label="To"
          value={form.to}
          onChange={(to) => onChange({ to })}
          error={mistakes.to}
          hint="Several separated by commas"
        />
      </div>
    </>
  );
}
