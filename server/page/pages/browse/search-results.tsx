/** What was found by name, at this moment or at any. */

import { useState } from 'preact/hooks';
import type { Entry, Found, Pages, Snapshot } from '../../api-types.ts';
import { usePage } from '../../context.ts';
import { formatBytes, formatItems, formatShort } from '../../format.ts';
import { Button, Empty, ErrorNotice, Waiting } from '../../ui/basics.tsx';
import { Checkbox } from '../../ui/fields.tsx';
import { VirtualList } from '../../ui/virtual-list.tsx';
import { usePages } from '../../use-pages.ts';
import { EntryButton } from './entry-button.tsx';

const FOUND_A_PAGE = 200;

/** Words are looked for anywhere in a name; whoever writes a pattern gets that. */
function patternOf(text: string): string {
  return /[*?[]/.test(text) ? text : `*${text}*`;
}

function whenWords({ ranges }: Found): string {
  const [first] = ranges;
  const last = ranges.at(-1);
  if (first === undefined || last === undefined) return '';
  const [from, to] = [first.first, last.last];
  const fromWords = formatShort(Date.parse(from.time));
  return from.id === to.id ? fromWords : `${fromWords} to ${formatShort(Date.parse(to.time))}`;
}

export function SearchResults(props: {
  readonly text: string;
  readonly snapshot: Snapshot;
  readonly onOpen: (entry: Entry, snapshotId: string) => void;
  readonly onEnd: () => void;
}) {
  const page = usePage();
  const { text, snapshot } = props;
  const [isEverywhere, setEverywhere] = useState(false);
  const list = usePages<Found, Pages<Found>>(
    (cursor, signal) =>
      page.api.find({
        pattern: patternOf(text),
        snapshot: isEverywhere ? undefined : snapshot.id,
        cursor,
        limit: FOUND_A_PAGE,
        signal,
      }),
    [text, isEverywhere, snapshot.id],
  );
  /** Where what was found is to be seen: it may be gone by the moment that is shown. */
  const momentOf = ({ ranges }: Found): string =>
    isEverywhere ? (ranges.at(-1)?.last.id ?? snapshot.id) : snapshot.id;
  const openFolder = (found: Found, entry: Entry): void => {
    const place = entry.path_base64 === undefined ? { path: entry.path } : { path64: entry.path_base64 };
    props.onEnd();
    page.router.go('/browse', { snapshot: momentOf(found), ...place });
  };
  return (
    <section class="section" aria-label="Search results">
      <div class="section-head">
        <h2>
          {list.isWhole ? formatItems(list.items.length, 'match', 'matches') : 'Searching'} for “{text}”
        </h2>
        <Button onPress={props.onEnd}>Back to the folder</Button>
      </div>
      <Checkbox label="At every moment, not only this one" checked={isEverywhere} onChange={setEverywhere} />
      <ErrorNotice error={list.error} onRetry={list.reload} />
      {list.isLoading && list.items.length === 0 ? <Waiting what="matches" /> : null}
      {list.isWhole && list.items.length === 0 ? (
        <Empty title="Nothing has such a name">
          <p class="muted">Try a shorter part of it{isEverywhere ? '' : ', or look at every moment'}.</p>
        </Empty>
      ) : null}
      {list.items.length === 0 ? null : (
        <VirtualList
          label="Matches"
          items={list.items}
          keyOf={({ entry, ranges }) => `${entry.path_base64 ?? entry.path} ${ranges[0]?.first.id ?? ''}`}
          onNearEnd={list.more}
          render={(found) => (
            <>
              <EntryButton
                entry={found.entry}
                name={found.entry.path}
                onOpen={(entry) => props.onOpen(entry, momentOf(found))}
                onFolder={() => openFolder(found, found.entry)}
              />
              <span class="entry-facts muted">
                <span>{formatBytes(found.entry.size)}</span>
                <span>{whenWords(found)}</span>
              </span>
            </>
          )}
        />
      )}
      {list.isWhole || list.error !== undefined ? null : (
        <Button busy={list.isLoading ? 'Searching on …' : undefined} onPress={list.more}>
          Search on
        </Button>
      )}
    </section>
  );
}
