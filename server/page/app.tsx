/** Which page stands at which path, and who sees it. */

import type { ComponentChildren } from 'preact';
import { usePage } from './context.ts';
import { AccessPage } from './pages/access/access-page.tsx';
import { BackupPage } from './pages/backup/backup-page.tsx';
import { BrowsePage } from './pages/browse/browse-page.tsx';
import { ComparePage } from './pages/compare/compare-page.tsx';
import { JobPage } from './pages/jobs/job-page.tsx';
import { JobsPage } from './pages/jobs/jobs-page.tsx';
import { NotFoundPage } from './pages/not-found-page.tsx';
import { OverviewPage } from './pages/overview/overview-page.tsx';
import { RestorePage } from './pages/restore/restore-page.tsx';
import { SetupPage } from './pages/setup-page.tsx';
import { SignInPage } from './pages/sign-in-page.tsx';
import { SnapshotsPage } from './pages/snapshots/snapshots-page.tsx';
import { Shell } from './shell.tsx';
import { useStore } from './store.ts';
import { Waiting } from './ui/basics.tsx';

/** Each begins anew when its path changes. */
function pageAt(path: string): ComponentChildren {
  const [, first = '', second = ''] = path.split('/');
  switch (first) {
    case '':
      return <OverviewPage />;
    case 'snapshots':
      return <SnapshotsPage />;
    case 'browse':
      return <BrowsePage />;
    case 'compare':
      return <ComparePage />;
    case 'restore':
      return <RestorePage />;
    case 'jobs':
      return /^\d+$/.test(second) ? <JobPage key={second} id={Number(second)} /> : <JobsPage />;
    case 'settings':
      if (second === 'backup') return <BackupPage />;
      if (second === 'access') return <AccessPage />;
      return <NotFoundPage />;
    default:
      return <NotFoundPage />;
  }
}

export function App() {
  const page = usePage();
  const session = useStore(page.session);
  const { path } = useStore(page.router.place);
  if (session === 'unknown') {
    return (
      <main class="alone">
        <Waiting what="the page" />
      </main>
    );
  }
  if (path === '/setup') return <SetupPage />;
  if (session === null) return <SignInPage />;
  return <Shell>{pageAt(path)}</Shell>;
}
