/** One folder of a moment. */

import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import type { FolderOrder, PlaceQuery } from '../../api.ts';
import type { Entry, Folder, Snapshot } from '../../api-types.ts';
import { usePage } from '../../context.ts';
import { formatBytes, formatItems } from '../../format.ts';
import { Empty, Notice, Waiting, When } from '../../ui/basics.tsx';
import { SelectField } from '../../ui/fields.tsx';
import { VirtualList } from '../../ui/virtual-list.tsx';
import { usePages } from '../../use-pages.ts';
import { EntryButton, nameOf } from './entry-button.tsx';

const ENTRIES_A_PAGE = 1000;

const ORDERS = [
  ['name', 'Name'],
  ['size', 'Largest first'],
  ['time', 'Newest first'],
] as const satisfies readonly (readonly [FolderOrder, string])[];

/** Where a snapshot's folders begin: its only source, or what all of them lie in. */
export function rootOf({ paths }: Snapshot): string {
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

export function FolderList(props: {
  readonly snapshot: Snapshot;
  readonly place: PlaceQuery;
  readonly onOpen: (entry: Entry) => void;
  readonly onFolder: (place: PlaceQuery) => void;
  /** What can be done with the folder that is shown. */
  readonly actions: (folder: Folder) => ComponentChildren;
}) {
  const page = usePage();
  const { snapshot, place } = props;
  const [order, setOrder] = useState<FolderOrder>('name');
  const list = usePages<Entry, Folder>(
    (cursor, signal) =>
      page.api.folder({
        snapshot: snapshot.id,
        place,
        cursor,
        limit: ENTRIES_A_PAGE,
        ...(order === 'name' ? {} : { order, descending: true }),
        signal,
      }),
    [snapshot.id, JSON.stringify(place), order],
  );
  const { first } = list;
  return (
    <section class="section" aria-label="Folder">
      {first === undefined ? null : <Crumbs folder={first} onFolder={props.onFolder} />}
      <div class="section-head">
        <p class="muted">{first === undefined ? '' : formatItems(first.total, 'entry', 'entries')}</p>
        <div class="actions">
          {first?.sortable === true ? (
            <SelectField label="Order" value={order} options={ORDERS} onChange={setOrder} />
          ) : null}
          {first === undefined ? null : props.actions(first)}
        </div>
      </div>
      {list.error === undefined ? null : (
        <NotThere error={list.error} onRetry={list.reload} onTop={() => props.onFolder({ path: '/' })} />
      )}
      {list.isLoading && first === undefined ? <Waiting what="the folder" /> : null}
      {first !== undefined && first.total === 0 ? <Empty title="The folder is empty" /> : null}
      {list.items.length === 0 ? null : (
        <VirtualList
          key={JSON.stringify([snapshot.id, place, order])}
          label="Entries"
          items={list.items}
          total={first?.total ?? 0}
          keyOf={({ path, path_base64 }) => path_base64 ?? path}
          onNearEnd={list.more}
          render={(entry) => (
            <>
              <EntryButton entry={entry} name={nameOf(entry)} onOpen={props.onOpen} onFolder={props.onFolder} />
              <span class="entry-facts muted">
                <span>{formatBytes(entry.size)}</span>
                <When at={entry.mtime} />
              </span>
            </>
          )}
        />
      )}
    </section>
  );
}

function NotThere(props: { readonly error: string; readonly onRetry: () => void; readonly onTop: () => void }) {
  return (
    <Notice tone="warn">
      <p>{props.error}</p>
      <p>
        Perhaps it was not there at this moment, or not part of this backup. Choose another moment, or go to the top.
      </p>
      <div class="actions">
        <button type="button" class="button plain" onClick={props.onTop}>
          Go to the top
        </button>
        <button type="button" class="button plain" onClick={props.onRetry}>
          Try again
        </button>
      </div>
    </Notice>
  );
}

/** The way down to a folder. Of names that are not UTF-8 only the last one is whole, so those above lead nowhere. */
function Crumbs({ folder, onFolder }: { readonly folder: Folder; readonly onFolder: (place: PlaceQuery) => void }) {
  const names = folder.path.split('/').filter((name) => name !== '');
  const isText = folder.path_base64 === undefined;
  return (
    <nav aria-label="The way to this folder">
      <ol class="crumbs">
        <li>
          <button type="button" class="crumb" onClick={() => onFolder({ path: '/' })}>
            Top
          </button>
        </li>
        {names.map((name, depth) => {
          const path = `/${names.slice(0, depth + 1).join('/')}`;
          const isHere = depth === names.length - 1;
          return (
            <li key={path}>
              {isHere || !isText ? (
                <span aria-current={isHere ? 'page' : undefined}>{name}</span>
              ) : (
                <button type="button" class="crumb" onClick={() => onFolder({ path })}>
                  {name}
                </button>
              )}
            </li>
          );
        })}
      </ol>
    </nav>
  );
}
