/** What stands around every page: navigation, state of the connection, who is signed in, messages. */

import type { ComponentChildren } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { usePage } from './context.ts';
import { wordsOf } from './http.ts';
import { THEMES, type Theme } from './state/theme.ts';
import { useStore } from './store.ts';
import { Button, Link } from './ui/basics.tsx';
import { Icon, type IconName } from './ui/icon.tsx';
import { ToastList } from './ui/toasts.tsx';

interface NavigationEntry {
  readonly path: string;
  readonly words: string;
  readonly icon: IconName;
}

const MAIN: readonly NavigationEntry[] = [
  { path: '/', words: 'Overview', icon: 'overview' },
  { path: '/snapshots', words: 'Snapshots', icon: 'snapshots' },
  { path: '/browse', words: 'Browse', icon: 'browse' },
  { path: '/compare', words: 'Compare', icon: 'compare' },
  { path: '/restore', words: 'Restore', icon: 'restore' },
  { path: '/jobs', words: 'Jobs', icon: 'jobs' },
];
const SETTINGS: readonly NavigationEntry[] = [
  { path: '/settings/backup', words: 'Backup', icon: 'backup' },
  { path: '/settings/access', words: 'Access', icon: 'access' },
];

const THEME_WORDS: { readonly [theme in Theme]: string } = { system: 'As the system', light: 'Light', dark: 'Dark' };

export function Shell({ children }: { readonly children: ComponentChildren }) {
  const page = usePage();
  const { path } = useStore(page.router.place);
  const [isOpen, setOpen] = useState(false);
  useEffect(() => setOpen(false), [path]);
  return (
    <div class="shell">
      <a class="skip" href="#content">
        Skip to the content
      </a>
      <header class="top">
        <Link to="/" class="brand">
          <BrandMark /> snap
        </Link>
        <button
          type="button"
          class="button quiet menu-button"
          aria-expanded={isOpen}
          aria-controls="navigation"
          onClick={() => setOpen(!isOpen)}
          onKeyDown={(event) => {
            if (event.key === 'Escape') setOpen(false);
          }}
        >
          <Icon name="menu" /> Menu
        </button>
      </header>
      <div id="navigation" class={isOpen ? 'side open' : 'side'}>
        <nav aria-label="Pages">
          <NavigationList entries={MAIN} path={path} />
          <h2 class="nav-head">Settings</h2>
          <NavigationList entries={SETTINGS} path={path} />
        </nav>
        <Account />
      </div>
      <main id="content" tabIndex={-1}>
        <ConnectionNotice />
        {children}
      </main>
      <ToastList />
    </div>
  );
}

export function BrandMark() {
  return (
    <svg class="mark" viewBox="0 0 32 32" aria-hidden="true" focusable="false">
      <rect width="32" height="32" rx="8" />
      <path d="M8 11l8-4 8 4-8 4zM8 16l8 4 8-4M8 21l8 4 8-4" />
    </svg>
  );
}

function NavigationList({ entries, path }: { readonly entries: readonly NavigationEntry[]; readonly path: string }) {
  const page = usePage();
  const active = useStore(page.jobs.active);
  return (
    <ul>
      {entries.map((entry) => {
        const isCurrent = entry.path === '/' ? path === '/' : path.startsWith(entry.path);
        return (
          <li key={entry.path}>
            <Link to={entry.path} current={isCurrent}>
              <Icon name={entry.icon} />
              {entry.words}
              {entry.path === '/jobs' && active.length > 0 ? <span class="count">{active.length} running</span> : null}
            </Link>
          </li>
        );
      })}
    </ul>
  );
}

function Account() {
  const page = usePage();
  const session = useStore(page.session);
  const theme = useStore(page.theme.theme);
  const name = session === null || session === 'unknown' ? '' : session.name;
  const leave = async (): Promise<void> => {
    try {
      await page.api.signOut();
      page.enter(null);
    } catch (error) {
      page.toasts.show('bad', `Signing out failed: ${wordsOf(error)}`);
    }
  };
  return (
    <section class="account" aria-label="Account">
      <label class="theme">
        <span>Colours</span>
        <select value={theme} onChange={(event) => page.theme.choose(event.currentTarget.value as Theme)}>
          {THEMES.map((one) => (
            <option key={one} value={one}>
              {THEME_WORDS[one]}
            </option>
          ))}
        </select>
      </label>
      <p class="muted">
        Signed in as <strong>{name}</strong>
      </p>
      <Button kind="plain" icon="leave" onPress={leave}>
        Sign out
      </Button>
    </section>
  );
}

/** Only once the connection is lost for a moment: most come back before anybody notices. */
function ConnectionNotice() {
  const page = usePage();
  const connection = useStore(page.live.connection);
  const [isShown, setShown] = useState(false);
  useEffect(() => {
    if (connection !== 'lost') {
      setShown(false);
      return;
    }
    const timer = setTimeout(() => setShown(true), 1500);
    return () => clearTimeout(timer);
  }, [connection]);
  return (
    <div role="status">
      {isShown ? (
        <p class="notice warn">The connection to the server is lost. What you see may be old; it is tried again …</p>
      ) : null}
    </div>
  );
}
