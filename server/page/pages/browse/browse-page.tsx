/** The library as it was: any folder, at any moment. */

import { useEffect, useState } from 'preact/hooks';
import type { PlaceQuery } from '../../api.ts';
import type { Entry, Snapshot } from '../../api-types.ts';
import { usePage } from '../../context.ts';
import { useStore } from '../../store.ts';
import { Button, Empty, ErrorNotice, Link, PageHead, Waiting } from '../../ui/basics.tsx';
import { TextField } from '../../ui/fields.tsx';
import { useSnapshots } from '../../use-snapshots.ts';
import { EntryDialog } from './entry-dialog.tsx';
import { FolderList } from './folder-list.tsx';
import { MomentSlider } from './moment-slider.tsx';
import { SearchResults } from './search-results.tsx';

export function BrowsePage() {
  const loaded = useSnapshots();
  return (
    <>
      <PageHead title="Browse">The library as it was. Choose a moment, then walk through its folders.</PageHead>
      <ErrorNotice error={loaded.error} onRetry={loaded.reload} />
      {loaded.data === undefined ? (
        loaded.isLoading ? (
          <Waiting what="moments" />
        ) : null
      ) : loaded.data.length === 0 ? (
        <Empty title="There is no snapshot yet">
          <p class="muted">
            <Link to="/settings/backup">Create a backup</Link>, then it can be walked through here.
          </p>
        </Empty>
      ) : (
        <Browser snapshots={loaded.data} />
      )}
    </>
  );
}

/** Where a snapshot's folders begin: its only source, or what all of them lie in. */
function rootOf({ paths }: Snapshot): string {
  const [first = '/', ...others] = paths.map(({ path }) => path);
  if (others.length === 0) return first;
  const names = first.split('/');
  let common = names.length;
  for (const other of others) {
    const otherNames = other.split('/');
    let same = 0;
    while (same < common && names[same] === otherNames[same]) same++;
    common = same;
  }
  return names.slice(0, common).join('/') || '/';
}

/** `snapshots`: the newest first. */
function Browser({ snapshots }: { readonly snapshots: readonly Snapshot[] }) {
  const page = usePage();
  const { query } = useStore(page.router.place);
  const [shown, setShown] = useState<{ readonly entry: Entry; readonly snapshotId: string } | undefined>();
  const [text, setText] = useState('');
  const [searched, setSearched] = useState('');
  const wanted = query.get('snapshot');
  const snapshot = snapshots.find(({ id }) => id === wanted) ?? snapshots[0];
  const path = query.get('path');
  const path64 = query.get('path64');
  useEffect(() => setSearched(''), [path, path64]);
  if (snapshot === undefined) return null;
  const place: PlaceQuery = path64 === null ? { path: path ?? rootOf(snapshot) } : { path_base64: path64 };
  const goTo = (where: { readonly snapshot?: string; readonly place?: PlaceQuery }): void => {
    const to = where.place ?? place;
    page.router.go(
      '/browse',
      {
        snapshot: where.snapshot ?? snapshot.id,
        ...('path' in to ? { path: to.path } : { path64: to.path_base64 }),
      },
      { replace: where.place === undefined },
    );
  };
  const search = (event: Event): void => {
    event.preventDefault();
    setSearched(text.trim());
  };
  return (
    <>
      <MomentSlider snapshots={snapshots} value={snapshot} onChange={({ id }) => goTo({ snapshot: id })} />
      <form class="search" onSubmit={search}>
        <TextField
          label="Search by name"
          type="search"
          value={text}
          onChange={(value) => {
            setText(value);
            if (value === '') setSearched('');
          }}
          placeholder="Part of a name, or *.m4b"
        />
        <Button type="submit" icon="search">
          Search
        </Button>
      </form>
      {searched !== '' ? (
        <SearchResults
          text={searched}
          snapshot={snapshot}
          onOpen={(entry, snapshotId) => setShown({ entry, snapshotId })}
          onEnd={() => setSearched('')}
        />
      ) : (
        <FolderList
          snapshot={snapshot}
          place={place}
          onOpen={(entry) => setShown({ entry, snapshotId: snapshot.id })}
          onFolder={(to) => goTo({ place: to })}
        />
      )}
      {shown === undefined ? null : <EntryDialog {...shown} onClose={() => setShown(undefined)} />}
    </>
  );
}
