/** What changed between two moments, or between a moment and now. */

import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { Diff, DiffItem, DiffSummary, DiffTable, Snapshot } from '../../api-types.ts';
import { usePage } from '../../context.ts';
import { formatBytes, formatItems, formatShort } from '../../format.ts';
import { useStore } from '../../store.ts';
import { Button, Empty, ErrorNotice, PageHead, Waiting } from '../../ui/basics.tsx';
import { Checkbox, SelectField } from '../../ui/fields.tsx';
import { VirtualList } from '../../ui/virtual-list.tsx';
import { usePages } from '../../use-pages.ts';
import { ordinaryOf, useSnapshots } from '../../use-snapshots.ts';
import { ChangeTree, type Opened } from './change-tree.ts';
import { DamageSearchSection } from './damage-search.tsx';
import { RowsDialog } from './rows-dialog.tsx';
import { ChangeRow, keyOfRow } from './tree-row.tsx';

const NOW = 'now';
const FEW_ROWS = 20;

export function ComparePage() {
  const loaded = useSnapshots();
  return (
    <>
      <PageHead title="Compare">
        What came, went, moved and changed between two moments, in files and in databases.
      </PageHead>
      <ErrorNotice error={loaded.error} onRetry={loaded.reload} />
      {loaded.data === undefined ? (
        loaded.isLoading ? (
          <Waiting what="moments" />
        ) : null
      ) : loaded.data.length === 0 ? (
        <Empty title="There is no snapshot yet" />
      ) : (
        <Choice snapshots={loaded.data} />
      )}
    </>
  );
}

function wordsOf(snapshot: Snapshot): string {
  const label = snapshot.label === '' ? '' : `, ${snapshot.label}`;
  return `${formatShort(Date.parse(snapshot.time))} (${snapshot.short_id}${label})`;
}

/** `snapshots`: the newest first. */
function Choice({ snapshots }: { readonly snapshots: readonly Snapshot[] }) {
  const page = usePage();
  const { query } = useStore(page.router.place);
  const find = (id: string | null): Snapshot | undefined => snapshots.find((snapshot) => snapshot.id === id);
  const [newest, previous] = ordinaryOf(snapshots);
  const before = find(query.get('before')) ?? previous ?? newest;
  const latest = previous === undefined ? undefined : newest;
  const after = query.get('after') === NOW ? undefined : (find(query.get('after')) ?? latest);
  if (before === undefined) return null;
  const go = (ids: { readonly before?: string; readonly after?: string }): void => {
    const at = { before: before.id, after: after?.id ?? NOW, ...ids };
    page.router.go('/compare', at, { replace: true });
  };
  const options = snapshots.map((snapshot) => [snapshot.id, wordsOf(snapshot)] as const);
  return (
    <>
      <div class="columns">
        <SelectField label="From" value={before.id} options={options} onChange={(id) => go({ before: id })} />
        <SelectField
          label="To"
          value={after?.id ?? NOW}
          options={[[NOW, 'Now: what is on the disk'] as const, ...options]}
          onChange={(id) => go({ after: id })}
        />
      </div>
      {after === undefined ? <DamageSearchSection before={before.id} /> : null}
      <Changes key={`${before.id} ${after?.id ?? NOW}`} before={before.id} after={after?.id} />
    </>
  );
}

function Changes({ before, after }: { readonly before: string; readonly after: string | undefined }) {
  const page = usePage();
  const [withMetadata, setMetadata] = useState(false);
  const list = usePages<DiffItem, Diff>((cursor, signal) => page.api.diff({ before, after, cursor, signal }), []);
  const [opened, setOpened] = useState<Opened>(new Map());
  const [table, setTable] = useState<DiffTable | undefined>();
  const tree = useGrowingTree(list.items, withMetadata);
  const rows = useMemo(() => tree.rows(opened), [tree, list.items, opened]);
  // What a closed folder swallowed brings nobody near the end of the list.
  useEffect(() => {
    if (!list.isLoading && rows.length < FEW_ROWS) list.more();
  }, [list.isLoading, rows.length]);
  return (
    <section class="section" aria-label="Changes">
      <ErrorNotice error={list.error} onRetry={list.reload} />
      {list.isLoading && list.items.length === 0 ? <Waiting what="changes" /> : null}
      {list.newest?.summary ? <Summary summary={list.newest.summary} /> : null}
      {list.first === undefined ? null : (
        <Checkbox label="With changes of metadata alone, such as times" checked={withMetadata} onChange={setMetadata} />
      )}
      {list.isWhole && rows.length === 0 ? (
        <Empty title="Nothing differs">
          <p class="muted">Both moments hold the same{withMetadata ? '' : ', but perhaps for metadata'}.</p>
        </Empty>
      ) : null}
      {rows.length === 0 ? null : (
        <VirtualList
          label="Changes"
          items={rows}
          keyOf={keyOfRow}
          onNearEnd={list.more}
          render={(row) => (
            <ChangeRow
              row={row}
              onToggle={({ path, isOpen }) => setOpened(new Map(opened).set(path, !isOpen))}
              onTable={setTable}
            />
          )}
        />
      )}
      {table === undefined ? null : (
        <RowsDialog table={table} before={before} after={after} onClose={() => setTable(undefined)} />
      )}
      {list.isWhole || list.error !== undefined || list.first === undefined ? null : (
        <Button busy={list.isLoading ? 'Comparing on …' : undefined} onPress={list.more}>
          Compare on
        </Button>
      )}
    </section>
  );
}

/** Only what is new of a list that grows is put into it. */
function useGrowingTree(items: readonly DiffItem[], withMetadata: boolean): ChangeTree {
  const kept = useRef({ tree: new ChangeTree(), count: 0, withMetadata, first: items[0] });
  const { count, first } = kept.current;
  if (kept.current.withMetadata !== withMetadata || items.length < count || first !== items[0]) {
    kept.current = { tree: new ChangeTree(), count: 0, withMetadata, first: items[0] };
  }
  const { current } = kept;
  if (items.length > current.count) {
    const more = items.slice(current.count);
    current.tree.add(more.filter((item) => withMetadata || !(item.event === 'change' && item.change === 'metadata')));
    current.count = items.length;
  }
  return current.tree;
}

function Summary({ summary }: { readonly summary: DiffSummary }) {
  const { counts } = summary;
  const words = [
    counts.added > 0 ? `${formatItems(counts.added, 'entry', 'entries')} new` : '',
    counts.removed > 0 ? `${formatItems(counts.removed, 'entry', 'entries')} gone` : '',
    counts.content > 0 ? `${formatItems(counts.content, 'file')} changed` : '',
    counts.moved > 0 ? `${formatItems(counts.moved, 'entry', 'entries')} moved` : '',
    counts.type > 0 ? `${formatItems(counts.type, 'entry', 'entries')} of another type` : '',
  ].filter((one) => one !== '');
  return (
    <>
      {counts.bitrot > 0 ? (
        <p class="notice bad">
          {formatItems(counts.bitrot, 'file')} changed although nobody wrote to {counts.bitrot === 1 ? 'it' : 'them'}:
          that looks like silent damage of the disk. Restore {counts.bitrot === 1 ? 'it' : 'them'} from the earlier
          moment.
        </p>
      ) : null}
      <p role="status">
        {words.length === 0 ? 'No file differs' : words.join(', ')}. {formatBytes(summary.bytes_added)} came,{' '}
        {formatBytes(summary.bytes_removed)} went.
      </p>
    </>
  );
}
