/** What the page decides without a browser: the tree of changes, the chart of growth, what is wrong in a form, words. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DiffChange, DiffItem, DiffTable, Notifications } from '../../server/page/api-types.ts';
import { formatBytes, formatRelative } from '../../server/page/format.ts';
import { formOf, inputOf, keptSecrets, mistakesOf } from '../../server/page/pages/backup/notification-form.ts';
import { ChangeTree, type Opened, type TreeRow } from '../../server/page/pages/compare/change-tree.ts';
import { barsOf } from '../../server/page/pages/overview/growth-bars.ts';

function change(path: string, kind: DiffChange['change'], part: Partial<DiffChange> = {}): DiffChange {
  const sizes = { size_before: 0, size_after: 0, bytes_added: 0, bytes_removed: 0 };
  return { event: 'change', path, change: kind, type: 'file', from: null, ...sizes, ...part };
}

function table(path: string, name: string): DiffTable {
  const rows = { rows_added: 1, rows_removed: 0, rows_changed: 0, note: null };
  return { event: 'table', path, table: name, change: 'content', ...rows };
}

function treeRows(items: readonly DiffItem[], opened: Opened): TreeRow[] {
  const tree = new ChangeTree();
  // Page by page, as they come.
  for (const item of items) tree.add([item]);
  return tree.rows(opened);
}

function drawn(rows: readonly TreeRow[]): string[] {
  return rows.map((row) => {
    const sums = row.kind === 'folder' ? ` ${row.isOpen ? '-' : '+'} ${row.changes} ${row.bytesAdded}` : '';
    return `${'  '.repeat(row.depth)}${row.name}${sums}`;
  });
}

const CHANGES: readonly DiffItem[] = [
  change('/srv/books/A/new', 'added', { type: 'dir' }),
  change('/srv/books/A/new/1.m4b', 'added', { bytes_added: 5 }),
  change('/srv/books/A/new/2.m4b', 'added', { bytes_added: 7 }),
  change('/srv/books/A/notes.txt', 'content', { bytes_added: 1 }),
  change('/srv/config/db.sqlite', 'content', { bytes_added: 2 }),
  table('/srv/config/db.sqlite', 'books'),
];

test('changes are a tree: lone folders in one line, sums of what is below, what came as a whole closed', () => {
  assert.deepEqual(drawn(treeRows(CHANGES, new Map())), [
    'srv - 6 15',
    '  books/A - 4 13',
    '    new + 2 12',
    '    notes.txt',
    '  config - 2 2',
    '    db.sqlite',
    '      books',
  ]);
});

test('folders of the tree open and close; names and keys of rows are each their own', () => {
  const opened: Opened = new Map([
    ['/srv/books/A/new', true],
    ['/srv/config', false],
  ]);
  const rows = treeRows(CHANGES, opened);
  assert.deepEqual(drawn(rows).slice(2), [
    '    new - 2 12',
    '      1.m4b',
    '      2.m4b',
    '    notes.txt',
    '  config + 2 2',
  ]);
  const keys = treeRows(CHANGES, new Map()).map((row) => (row.kind === 'folder' ? `${row.path}/` : row.key));
  assert.equal(new Set(keys).size, keys.length);
});

test('a hundred thousand changes become a tree within a moment', () => {
  const many = Array.from({ length: 100_000 }, (_, at) => change(`/srv/${at % 300}/${at}.m4b`, 'content'));
  const tree = new ChangeTree();
  tree.add(many);
  assert.equal(tree.rows(new Map()).length, 100_301);
  const begunMs = performance.now();
  for (let page = 0; page < 10; page++) tree.rows(new Map());
  const eachMs = (performance.now() - begunMs) / 10;
  assert.ok(eachMs < 200, `${eachMs} ms`);
});

test('the chart shows nights without a snapshot as such, and one that is far taller than all others is cut off', () => {
  const day = (date: string, bytes: number) => ({ date, snapshots: 1, data_added: bytes, data_added_packed: bytes });
  const { bars, topBytes } = barsOf([day('2026-03-01', 100_000), day('2026-03-02', 40), day('2026-03-04', 80)]);
  assert.deepEqual(
    bars.map(({ date, part, isCut }) => [date.slice(8), part, isCut]),
    [
      ['01', 1, true],
      ['02', 0.5, false],
      ['03', 0, false],
      ['04', 1, false],
    ],
  );
  assert.equal(topBytes, 80);
  assert.deepEqual(barsOf([]).bars, []);
  const [only] = barsOf([day('2026-03-01', 7)]).bars;
  assert.deepEqual([only?.part, only?.isCut], [1, false]);
  const year = Array.from({ length: 366 }, (_, at) => day(new Date(at * 86_400_000).toISOString().slice(0, 10), 1));
  assert.equal(barsOf(year).bars.length, 60);
});

const SAVED: Notifications = {
  on_failure: true,
  on_success: false,
  stale_days: 3,
  page_url: null,
  ping_url: null,
  webhook: null,
  ntfy: { url: 'https://ntfy.sh/topic', token_set: true },
  email: {
    host: 'smtp.example.org',
    port: 587,
    security: 'starttls',
    user: 'me',
    from: 'a@example.org',
    to: ['b@example.org', 'c@example.org'],
    password_set: true,
  },
};

test('what is saved stands in the form and goes back as it was, with no secret in between', () => {
  const form = formOf(SAVED);
  assert.deepEqual(mistakesOf(form), {});
  const { ntfy, email, ...rest } = inputOf(form);
  assert.deepEqual(ntfy, { url: 'https://ntfy.sh/topic' });
  const { password_set: _, ...account } = SAVED.email ?? {};
  assert.deepEqual(email, account);
  assert.deepEqual(rest, {
    on_failure: true,
    on_success: false,
    stale_days: 3,
    page_url: null,
    ping_url: null,
    webhook: null,
  });
  assert.deepEqual(keptSecrets(form, SAVED), { token: true, password: true });
  assert.deepEqual(keptSecrets({ ...form, ntfyUrl: 'https://ntfy.sh/other', user: 'you' }, SAVED), {
    token: false,
    password: false,
  });
});

const MISTAKES: readonly (readonly [keyof ReturnType<typeof formOf>, readonly string[], readonly string[]])[] = [
  ['staleDays', ['0', '-1', '1.5', 'x', '4000'], ['', '1', '3650']],
  ['pageUrl', ['nas.local', 'ftp://nas', 'http://', 'https://a b'], ['', 'http://nas:8480/snap']],
  ['pingUrl', ['ping'], ['', 'https://hc-ping.com/id']],
  ['webhookUrl', ['', 'hook', `https://a/${'x'.repeat(2000)}`], ['https://example.org/hook?a=b']],
  ['ntfyUrl', ['', 'https://ntfy.sh', 'https://ntfy.sh/'], ['https://ntfy.sh/topic']],
  ['host', ['', 'https://smtp.example.org/', 'two words'], ['smtp.example.org', '10.0.0.1']],
  ['port', ['', '0', '65536', 'smtp'], ['25', '65535']],
  ['from', ['', 'me', 'a@b@c', 'Me <me@example.org>'], ['me@example.org']],
  ['to', ['', 'me', 'a@example.org, me', Array.from({ length: 21 }, (_, at) => `a${at}@b`).join(' ')], ['a@b; c@d']],
];

test('each mistake in the form of notifications is found in its field, and in no other', () => {
  const sound = { ...formOf(SAVED), isWebhook: true, webhookUrl: 'https://example.org/hook' };
  for (const [field, wrong, right] of MISTAKES) {
    for (const value of wrong) {
      assert.deepEqual(Object.keys(mistakesOf({ ...sound, [field]: value })), [field], `${field}: ${value}`);
    }
    for (const value of right) assert.deepEqual(mistakesOf({ ...sound, [field]: value }), {}, `${field}: ${value}`);
  }
  const off = { ...sound, isWebhook: false, isNtfy: false, isEmail: false, webhookUrl: '', ntfyUrl: '', host: '' };
  assert.deepEqual(mistakesOf(off), {}, 'what is not wanted may be empty');
});

test('sizes are binary, and moments relative, each in the unit that it is of', () => {
  assert.deepEqual([0, 1023, 1024, 1536, 1024 ** 2 - 1, 5 * 1024 ** 4].map(formatBytes), [
    '0 B',
    '1023 B',
    '1.0 KiB',
    '1.5 KiB',
    '1.0 MiB',
    '5.0 TiB',
  ]);
  const ago = (seconds: number) => formatRelative(-seconds * 1000, 0);
  assert.deepEqual([5, 50, 59.7, 3599, 86_399, 13 * 86_400, 40 * 86_400].map(ago), [
    'just now',
    '50 seconds ago',
    '1 minute ago',
    '1 hour ago',
    'yesterday',
    '13 days ago',
    'last month',
  ]);
  assert.equal(formatRelative(3 * 3600_000, 0), 'in 3 hours');
});
