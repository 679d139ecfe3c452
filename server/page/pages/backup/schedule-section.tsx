/** When the nightly backup is made, with what, and how long backups stay. */

import { useEffect, useState } from 'preact/hooks';
import type { Schedule, ScheduleState } from '../../api-types.ts';
import { usePage } from '../../context.ts';
import { formatShort } from '../../format.ts';
import { Button, ErrorNotice, Notice, Section, Waiting, When } from '../../ui/basics.tsx';
import { Checkbox, TextField } from '../../ui/fields.tsx';
import { useAction, useLoaded } from '../../use-loaded.ts';
import { RetentionPreview } from './retention-preview.tsx';

export function ScheduleSection() {
  const page = usePage();
  const loaded = useLoaded((signal) => page.api.schedule(signal));
  return (
    <Section
      title="Every night"
      anchor="nights"
      lead="A backup is made by itself, and those that are past their days go. A night that was missed is made up for."
    >
      <ErrorNotice error={loaded.error} onRetry={loaded.reload} />
      {loaded.data === undefined ? (
        loaded.isLoading ? (
          <Waiting what="the schedule" />
        ) : null
      ) : (
        <ScheduleForm key={JSON.stringify(loaded.data.schedule)} state={loaded.data} onSaved={loaded.put} />
      )}
    </Section>
  );
}

const DAILY = /^(\d{1,2}) (\d{1,2}) \* \* \*$/;

/** The time of day of a schedule that is every day at one; undefined for others. */
function timeOf(cron: string): string | undefined {
  const found = DAILY.exec(cron);
  const [minute, hour] = [Number(found?.[1]), Number(found?.[2])];
  if (found === null || minute > 59 || hour > 23) return undefined;
  return `${String(hour).padStart(2, '0')}:${String(minute).padStart(2, '0')}`;
}

function cronOf(time: string): string {
  const [hour = '2', minute = '0'] = time.split(':');
  return `${Number(minute)} ${Number(hour)} * * *`;
}

function ScheduleForm({
  state,
  onSaved,
}: {
  readonly state: ScheduleState;
  readonly onSaved: (state: ScheduleState) => void;
}) {
  const page = usePage();
  const [schedule, setSchedule] = useState<Schedule>(state.schedule);
  const [days, setDays] = useState(String(state.schedule.retention_days ?? ''));
  const [isPreview, setPreview] = useState(false);
  const [isDaily, setDaily] = useState(timeOf(state.schedule.cron) !== undefined);
  const action = useAction();
  const set = (change: Partial<Schedule>): void => setSchedule((known) => ({ ...known, ...change }));
  const save = (event: Event): void => {
    event.preventDefault();
    action.run(async () => {
      const saved = await page.api.setSchedule({ ...schedule, retention_days: days === '' ? null : Number(days) });
      page.toasts.show('good', 'The schedule was saved.');
      onSaved(saved);
    });
  };
  const startNight = (): void => {
    action.run(async () => {
      const { job } = await page.api.startNight();
      page.jobs.put(job);
      page.toasts.show('plain', 'A night has begun.', { path: `/jobs/${job.id}`, text: 'Watch it' });
    });
  };
  return (
    <form class="stack" onSubmit={save}>
      <Checkbox label="Back up every night" checked={schedule.enabled} onChange={(enabled) => set({ enabled })} />
      <div class="columns">
        {isDaily ? (
          <TextField
            label="At"
            type="time"
            value={timeOf(schedule.cron) ?? '02:00'}
            onChange={(time) => set({ cron: cronOf(time) })}
            required
          />
        ) : (
          <TextField
            label="At (cron)"
            value={schedule.cron}
            onChange={(cron) => set({ cron })}
            hint="Minute, hour, day of the month, month, day of the week"
            required
          />
        )}
        <TextField label="Time zone" value={schedule.zone} onChange={(zone) => set({ zone })} required />
        <TextField
          label="Keep backups for (days)"
          type="number"
          min={1}
          max={36_500}
          value={days}
          onChange={setDays}
          hint="Empty: the rules of the configuration file"
        />
      </div>
      <Checkbox
        label="Other times than once a day"
        checked={!isDaily}
        onChange={(isOther) => {
          setDaily(!isOther);
          if (!isOther && timeOf(schedule.cron) === undefined) set({ cron: cronOf('02:00') });
        }}
      />
      <Checkbox
        label="With book files, every night"
        checked={schedule.includes_books}
        onChange={(books) => set({ includes_books: books })}
      />
      <Checkbox
        label="With covers, every night"
        checked={schedule.includes_covers}
        onChange={(covers) => set({ includes_covers: covers })}
      />
      <Preview schedule={schedule} />
      <ErrorNotice error={action.error} />
      <div class="actions">
        <Button kind="main" type="submit" busy={action.isBusy ? 'Saving …' : undefined}>
          Save the schedule
        </Button>
        <Button disabled={action.isBusy} onPress={startNight}>
          Run a night now
        </Button>
        <Button onPress={() => setPreview(true)}>What would stay?</Button>
      </div>
      {isPreview ? (
        <RetentionPreview days={days === '' ? undefined : Number(days)} onClose={() => setPreview(false)} />
      ) : null}
    </form>
  );
}

const PREVIEW_DELAY_MS = 300;

/** The next nights of what stands in the form, so that a mistake shows before it is saved. */
function Preview({ schedule: { enabled, cron, zone } }: { readonly schedule: Schedule }) {
  const page = usePage();
  const [asked, setAsked] = useState({ cron, zone });
  useEffect(() => {
    const timer = setTimeout(() => setAsked({ cron, zone }), PREVIEW_DELAY_MS);
    return () => clearTimeout(timer);
  }, [cron, zone]);
  const preview = useLoaded((signal) => page.api.previewSchedule(asked.cron, asked.zone, signal), {
    inputs: [asked.cron, asked.zone],
  });
  if (!enabled) return <Notice tone="warn">No backup is made by itself while this is off.</Notice>;
  if (preview.error !== undefined) return <ErrorNotice error={preview.error} />;
  const [next, ...others] = preview.data?.next_runs ?? [];
  if (next === undefined) return null;
  return (
    <p class="muted" role="status">
      Next: <When at={next} /> ({formatShort(Date.parse(next))} of this device's clock)
      {others[0] === undefined ? '' : `, then ${formatShort(Date.parse(others[0]))}`}
    </p>
  );
}
