/** Settings, Backup: make one, see them all, and say when they are made and how long they stay. */

import { useEffect, useState } from 'preact/hooks';
import { usePage } from '../../context.ts';
import { useStore } from '../../store.ts';
import { Button, OnThisPage, PageHead, Section } from '../../ui/basics.tsx';
import { ActiveJob } from '../jobs/active-job.tsx';
import { BackupList } from './backup-list.tsx';
import { CreateDialog } from './create-dialog.tsx';
import { LibrarySection } from './library-section.tsx';
import { NotificationsSection } from './notifications-section.tsx';
import { PasswordsSection } from './passwords-section.tsx';
import { ScheduleSection } from './schedule-section.tsx';
import { UploadDialog } from './upload-dialog.tsx';

/** Jobs that this page is about. */
const KINDS = new Set(['backup', 'night', 'restore', 'forget', 'detect', 'upload']);

const SECTIONS = [
  ['backups', 'Backups'],
  ['nights', 'Every night'],
  ['include', 'What to include'],
  ['notifications', 'Notifications'],
  ['passwords', 'Passwords'],
] as const;

export function BackupPage() {
  const page = usePage();
  const { query } = useStore(page.router.place);
  const active = useStore(page.jobs.active).filter(({ kind }) => KINDS.has(kind));
  const [isCreating, setCreating] = useState(false);
  const [isUploading, setUploading] = useState(false);
  useEffect(() => {
    if (query.get('create') === null) return;
    setCreating(true);
    page.router.go('/settings/backup', {}, { replace: true });
  }, [query]);
  return (
    <>
      <PageHead
        title="Backup"
        actions={
          <>
            <Button icon="upload" onPress={() => setUploading(true)}>
              Upload a backup
            </Button>
            <Button kind="main" icon="plus" onPress={() => setCreating(true)}>
              Create Backup
            </Button>
          </>
        }
      >
        A backup holds the database, and if you want it covers and books. Keeping many costs only what changed between
        them.
      </PageHead>
      <OnThisPage sections={SECTIONS} />
      {active.length === 0 ? null : (
        <Section title="Under way">
          {active.map((job) => (
            <ActiveJob key={job.id} job={job} />
          ))}
        </Section>
      )}
      <BackupList onCreate={() => setCreating(true)} />
      <ScheduleSection />
      <LibrarySection />
      <NotificationsSection />
      <PasswordsSection />
      {isUploading ? <UploadDialog onClose={() => setUploading(false)} /> : null}
      {isCreating ? <CreateDialog onClose={() => setCreating(false)} /> : null}
    </>
  );
}
