/** Who hears of it when a backup fails, or none is made any more. */

import { useRef, useState } from 'preact/hooks';
import type { Deliveries, Notifications } from '../../api-types.ts';
import { usePage } from '../../context.ts';
import { CHANNEL_WORDS } from '../../state/channel-words.ts';
import { Badge, Button, ErrorNotice, Section, Waiting } from '../../ui/basics.tsx';
import { Checkbox, Group, TextField } from '../../ui/fields.tsx';
import { useAction, useLoaded } from '../../use-loaded.ts';
import { Channels } from './notification-channels.tsx';
import { formOf, inputOf, type Mistakes, mistakesOf, type NotificationForm } from './notification-form.ts';

export function NotificationsSection() {
  const page = usePage();
  const loaded = useLoaded((signal) => page.api.notifications(signal));
  return (
    <Section
      title="Notifications"
      anchor="notifications"
      lead="A backup that nobody looks at fails unseen. Say who hears of it, and by which way."
    >
      <ErrorNotice error={loaded.error} onRetry={loaded.reload} />
      {loaded.data === undefined ? (
        loaded.isLoading ? (
          <Waiting what="notifications" />
        ) : null
      ) : (
        <NotificationsForm saved={loaded.data} onSaved={loaded.put} />
      )}
    </Section>
  );
}

function NotificationsForm({
  saved,
  onSaved,
}: {
  readonly saved: Notifications;
  readonly onSaved: (saved: Notifications) => void;
}) {
  const page = usePage();
  const [form, setForm] = useState<NotificationForm>(() => formOf(saved));
  const [mistakes, setMistakes] = useState<Mistakes>({});
  const [answers, setAnswers] = useState<Deliveries['deliveries']>([]);
  const box = useRef<HTMLFormElement>(null);
  const action = useAction();
  const isChanged = JSON.stringify(form) !== JSON.stringify(formOf(saved));
  const hasChannel = form.isWebhook || form.isNtfy || form.isEmail;
  const change = (part: Partial<NotificationForm>): void => {
    const next = { ...form, ...part };
    setForm(next);
    setAnswers([]);
    // What was wrong goes as soon as it is mended; what is half written is not called wrong yet.
    const still = mistakesOf(next);
    setMistakes((known) => Object.fromEntries(Object.entries(still).filter(([field]) => field in known)));
  };
  const isSound = (): boolean => {
    const found = mistakesOf(form);
    setMistakes(found);
    if (Object.keys(found).length === 0) return true;
    // Once they are drawn.
    setTimeout(() => box.current?.querySelector<HTMLElement>('[aria-invalid]')?.focus());
    return false;
  };
  const store = async (): Promise<void> => {
    const next = await page.api.setNotifications(inputOf(form));
    setForm(formOf(next));
    onSaved(next);
  };
  const save = (event: Event): void => {
    event.preventDefault();
    if (!isSound()) return;
    action.run(async () => {
      await store();
      page.toasts.show('good', 'The notifications were saved.');
    });
  };
  const test = (): void => {
    if (!isSound()) return;
    setAnswers([]);
    action.run(async () => {
      if (isChanged) await store();
      setAnswers((await page.api.testNotifications()).deliveries);
    });
  };
  return (
    <form ref={box} class="stack" noValidate onSubmit={save}>
      <Occasions form={form} mistakes={mistakes} onChange={change} />
      <Channels form={form} saved={saved} mistakes={mistakes} onChange={change} />
      <div class="columns">
        <TextField
          label="Address of a health check"
          type="url"
          value={form.pingUrl}
          onChange={(pingUrl) => change({ pingUrl })}
          error={mistakes.pingUrl}
          hint="Asked when a night begins (/start), fails (/fail) or is done, as healthchecks.io wants it. A test does not ask it."
        />
        <TextField
          label="Address of this page"
          type="url"
          value={form.pageUrl}
          onChange={(pageUrl) => change({ pageUrl })}
          error={mistakes.pageUrl}
          hint="For links in messages. Empty: messages have none."
        />
      </div>
      <ErrorNotice error={action.error} />
      <TestAnswers answers={answers} />
      <div class="actions">
        <Button kind="main" type="submit" busy={action.isBusy ? 'One moment …' : undefined}>
          Save the notifications
        </Button>
        <Button disabled={!hasChannel || action.isBusy} onPress={test}>
          {isChanged ? 'Save and send a test' : 'Send a test'}
        </Button>
      </div>
    </form>
  );
}

function Occasions(props: {
  readonly form: NotificationForm;
  readonly mistakes: Mistakes;
  readonly onChange: (part: Partial<NotificationForm>) => void;
}) {
  const { form, mistakes, onChange } = props;
  return (
    <Group title="Tell of">
      <Checkbox
        label="What failed, met problems or looks suspect"
        checked={form.onFailure}
        onChange={(onFailure) => onChange({ onFailure })}
      />
      <Checkbox
        label="Nights, backups and restores that went well"
        checked={form.onSuccess}
        onChange={(onSuccess) => onChange({ onSuccess })}
      />
      <div class="narrow">
        <TextField
          label="No successful backup for (days)"
          type="number"
          min={1}
          value={form.staleDays}
          onChange={(staleDays) => onChange({ staleDays })}
          error={mistakes.staleDays}
          hint="Told once a day until there is one. Empty: never."
        />
      </div>
    </Group>
  );
}

function TestAnswers({ answers }: { readonly answers: Deliveries['deliveries'] }) {
  return (
    <div role="status">
      {answers.length === 0 ? null : (
        <ul class="rows" aria-label="Answers to the test">
          {answers.map(({ channel, problem }) => (
            <li class="row" key={channel}>
              <p class="row-main">
                Test by {CHANNEL_WORDS[channel]}
                {problem === null ? '' : `: ${problem}`}
              </p>
              <Badge tone={problem === null ? 'good' : 'bad'}>
                {problem === null ? 'sent' : 'did not get through'}
              </Badge>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}
