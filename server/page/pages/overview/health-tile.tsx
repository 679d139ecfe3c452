/** Whether what is stored can be relied on, in one tile: the worst of it first. */

import type { ComponentChildren } from 'preact';
import type { Audit, RepositoryFacts, ScheduleState, Snapshot } from '../../api-types.ts';
import { usePage } from '../../context.ts';
import { formatItems } from '../../format.ts';
import { Badge, ErrorNotice, Link, Section, Waiting, When } from '../../ui/basics.tsx';
import { useLoaded } from '../../use-loaded.ts';

type Health = 'good' | 'plain' | 'warn' | 'bad';

interface Finding {
  readonly tone: Health;
  readonly words: ComponentChildren;
}

interface Facts {
  readonly repository: RepositoryFacts;
  readonly audit: Audit | undefined;
  readonly suspects: readonly Snapshot[];
}

const WORDS: { readonly [tone in Health]: string } = {
  good: 'All is well',
  plain: 'Not known yet',
  warn: 'Look at this',
  bad: 'Damage',
};
const LATE_MS = 2 * 24 * 3600_000;

export function HealthTile({ schedule }: { readonly schedule: ScheduleState['schedule'] }) {
  const page = usePage();
  const facts = useLoaded<Facts>(
    async (signal) => {
      const [repository, { items: audits }, { items: suspects }] = await Promise.all([
        page.api.repository(signal),
        page.api.audits(signal),
        page.api.snapshots({ suspect: true, limit: 100, signal }),
      ]);
      return { repository, audit: audits[0], suspects };
    },
    { live: ['job', 'backups', 'snapshots'] },
  );
  return (
    <Section title="Health">
      <ErrorNotice error={facts.error} onRetry={facts.reload} />
      {facts.data === undefined ? (
        facts.isLoading ? (
          <Waiting what="how things stand" />
        ) : null
      ) : (
        <Findings findings={findingsOf(facts.data, schedule.enabled)} />
      )}
    </Section>
  );
}

function Findings({ findings }: { readonly findings: readonly Finding[] }) {
  const worst =
    (['bad', 'warn', 'plain'] as const).find((tone) => findings.some((finding) => finding.tone === tone)) ?? 'good';
  return (
    <>
      <p>
        <Badge tone={worst}>{WORDS[worst]}</Badge>
      </p>
      <ul class="findings">
        {findings.map(({ words }, at) => (
          <li key={at}>{words}</li>
        ))}
      </ul>
    </>
  );
}

function findingsOf({ repository, audit, suspects }: Facts, isNightly: boolean): Finding[] {
  const { damage, last_snapshot: last } = repository;
  const findings: Finding[] = [];
  if (damage.length > 0) {
    const words = `${formatItems(damage.length, 'snapshot')} cannot be read. Check the repository, under Jobs.`;
    findings.push({ tone: 'bad', words });
  }
  findings.push(auditFinding(audit));
  if (suspects.length > 0) findings.push({ tone: 'warn', words: <Suspects count={suspects.length} /> });
  if (isNightly && last !== null && Date.now() - Date.parse(last) > LATE_MS) {
    const words = (
      <>
        The newest snapshot was made <When at={last} />, although every night should make one.
      </>
    );
    findings.push({ tone: 'warn', words });
  }
  return findings;
}

function auditFinding(audit: Audit | undefined): Finding {
  if (audit === undefined) {
    const words = (
      <>
        The repository was not checked yet: <Link to="/jobs">check it under Jobs</Link>.
      </>
    );
    return { tone: 'plain', words };
  }
  const errors = Number(audit.result['error_count'] ?? 0);
  const link = <Link to={`/jobs/${audit.job_id}`}>the check</Link>;
  if (errors > 0) {
    const words = (
      <>
        {formatItems(errors, 'fault')} found by {link}, <When at={audit.ended_at} />.
      </>
    );
    return { tone: 'bad', words };
  }
  const words = (
    <>
      Nothing wrong was found by {link}, <When at={audit.ended_at} />.
    </>
  );
  return { tone: 'good', words };
}

function Suspects({ count }: { readonly count: number }) {
  return (
    <>
      <Link to="/snapshots" query={{ show: 'suspect' }}>
        {formatItems(count, 'snapshot is', 'snapshots are')} suspect
      </Link>
      : look at why.
    </>
  );
}
