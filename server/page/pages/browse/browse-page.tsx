/** The library as it was: any folder, at any moment. */

import { useEffect, useState } from 'preact/hooks';
import { type PlaceQuery, placeOf } from '../../api.ts';
import type { Entry, Snapshot } from '../../api-types.ts';
import { usePage } from '../../context.ts';
import { useStore } from '../../store.ts';
import { Button } from '../../ui/basics.tsx';
import { TextField } from '../../ui/fields.tsx';
import { Icon } from '../../ui/icon.tsx';
import { SnapshotsFrame } from '../../ui/snapshots-frame.tsx';
import { ordinaryOf } from '../../use-snapshots.ts';
import { EntryDialog } from './entry-dialog.tsx';
import { FolderList, rootOf } from './folder-list.tsx';
import { MomentSlider } from './moment-slider.tsx';
import { RestoreLink } from './restore-link.tsx';
import { SearchResults } from './search-results.tsx';

export function BrowsePage() {
  return (
    <SnapshotsFrame title="Browse" lead="The library as it was. Choose a moment, then walk through its folders.">
      {(snapshots) => <Browser snapshots={snapshots} />}
    </SnapshotsFrame>
  );
}

/** `snapshots`: the newest first. */
function Browser({ snapshots }: { readonly snapshots: readonly Snapshot[] }) {
  const page = usePage();
  const { query } = useStore(page.router.place);
  const [shown, setShown] = useState<{ readonly entry: Entry; readonly snapshotId: string } | undefined>();
  const [text, setText] = useState('');
  const [searched, setSearched] = useState('');
  const wanted = query.get('snapshot');
  const snapshot = snapshots.find(({ id }) => id === wanted) ?? ordinaryOf(snapshots)[0];
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
          actions={(folder) => (
            <>
              <a class="button plain" href={page.api.zipAddress(snapshot.id, placeOf(folder))} download>
                <Icon name="download" /> Download the folder
              </a>
              <RestoreLink snapshot={snapshot.id} entry={folder}>
                Restore …
              </RestoreLink>
            </>
          )}
        />
      )}
      {shown === undefined ? null : <EntryDialog {...shown} onClose={() => setShown(undefined)} />}
    </>
  );
}
