/** One file: a look at it, what it was before, and the way to get it. */

import { useState } from 'preact/hooks';
import { placeOf } from '../../api.ts';
import type { Entry, Pages, Version } from '../../api-types.ts';
import { usePage } from '../../context.ts';
import { formatBytes, formatExact, formatItems } from '../../format.ts';
import { Badge, ErrorNotice, Moment, Notice, Waiting } from '../../ui/basics.tsx';
import { Dialog } from '../../ui/dialog.tsx';
import { Icon } from '../../ui/icon.tsx';
import { PagedRows } from '../../ui/paged-rows.tsx';
import { useLoaded } from '../../use-loaded.ts';
import { usePages } from '../../use-pages.ts';
import { nameOf } from './entry-button.tsx';
import { RestoreLink } from './restore-link.tsx';

export function EntryDialog({
  snapshotId,
  entry,
  onClose,
}: {
  readonly snapshotId: string;
  readonly entry: Entry;
  readonly onClose: () => void;
}) {
  const page = usePage();
  const place = placeOf(entry);
  return (
    <Dialog title={nameOf(entry)} onClose={onClose}>
      <div class="stack">
        <p class="path muted">{entry.path}</p>
        {entry.type === 'file' ? <Preview snapshotId={snapshotId} entry={entry} /> : null}
        {entry.type === 'symlink' ? <p>A link to {entry.linktarget ?? 'somewhere'}.</p> : null}
        <dl class="facts">
          <dt>Size</dt>
          <dd>{formatBytes(entry.size)}</dd>
          <dt>Changed</dt>
          <dd>{formatExact(Date.parse(entry.mtime))}</dd>
          <dt>Owner</dt>
          <dd>{entry.user ?? 'a user that has no name here'}</dd>
        </dl>
        <div class="actions">
          {entry.type === 'file' ? (
            <a class="button main" href={page.api.contentAddress(snapshotId, place, { inline: false })} download>
              <Icon name="download" /> Download
            </a>
          ) : null}
          <RestoreLink snapshot={snapshotId} entry={entry}>
            Restore …
          </RestoreLink>
        </div>
        <History entry={entry} />
      </div>
    </Dialog>
  );
}

const PICTURE = /\.(?:jpe?g|png|gif|webp|avif|bmp|ico)$/i;
const SOUND = /\.(?:mp3|m4[ab]|ogg|oga|opus|flac|wav|aac)$/i;
const TEXT = /\.(?:txt|md|json|nfo|opf|xml|html?|css|js|csv|log|ini|ya?ml|cue|m3u8?|srt|abs|url|conf|toml)$/i;
const PICTURE_BYTES_MAX = 32 * 1024 * 1024;
const TEXT_BYTES_SHOWN = 32 * 1024;

function Preview({ snapshotId, entry }: { readonly snapshotId: string; readonly entry: Entry }) {
  const page = usePage();
  const [isBroken, setBroken] = useState(false);
  const address = page.api.contentAddress(snapshotId, placeOf(entry), { inline: true });
  if (entry.database) return <Notice tone="plain">A database, captured as a whole while it was in use.</Notice>;
  if (isBroken) return <p class="muted">The browser cannot show this file.</p>;
  if (PICTURE.test(entry.path) && entry.size <= PICTURE_BYTES_MAX) {
    return <img class="preview" src={address} alt={`Preview of ${nameOf(entry)}`} onError={() => setBroken(true)} />;
  }
  if (SOUND.test(entry.path)) {
    // biome-ignore lint/a11y/useMediaCaption: nobody wrote down what a book says
    return <audio class="preview" controls preload="none" src={address} onError={() => setBroken(true)} />;
  }
  if (TEXT.test(entry.path)) return <TextPreview snapshotId={snapshotId} entry={entry} />;
  return null;
}

function TextPreview({ snapshotId, entry }: { readonly snapshotId: string; readonly entry: Entry }) {
  const page = usePage();
  const text = useLoaded((signal) => page.api.text(snapshotId, placeOf(entry), { bytes: TEXT_BYTES_SHOWN, signal }), {
    inputs: [snapshotId, entry.path],
  });
  if (text.data === undefined) {
    return (
      <>
        <ErrorNotice error={text.error} onRetry={text.reload} />
        {text.isLoading ? <Waiting what="the text" /> : null}
      </>
    );
  }
  return (
    <>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, and must do so by the keyboard, too. */}
      <pre class="log preview" tabIndex={0}>
        {text.data}
      </pre>
      {entry.size > TEXT_BYTES_SHOWN ? <p class="hint">The beginning of it. Download it to read on.</p> : null}
    </>
  );
}

const CHANGES: { readonly [change: string]: string } = {
  added: 'appeared',
  removed: 'went away',
  content: 'changed',
  metadata: 'changed in its metadata',
  type: 'became something else',
  moved: 'was moved here',
  bitrot: 'changed without anybody writing to it',
};

function History({ entry }: { readonly entry: Entry }) {
  const page = usePage();
  const list = usePages<Version, Pages<Version>>(
    (cursor, signal) => page.api.history(placeOf(entry), { cursor, signal }),
    [entry.path],
  );
  return (
    <section class="section" aria-label="Its history">
      <h3>Its history</h3>
      <PagedRows
        list={list}
        label="Versions"
        what="its history"
        moreWords="Show older versions"
        keyOf={({ first, change }) => `${first.id} ${change}`}
        render={(version) => <VersionRow version={version} />}
      />
    </section>
  );
}

function VersionRow({ version }: { readonly version: Version }) {
  const page = usePage();
  const { entry, first, change, snapshots } = version;
  return (
    <>
      <div class="row-main">
        <p>
          <Moment at={first.time} />: it {CHANGES[change] ?? change}{' '}
          {change === 'bitrot' ? <Badge tone="bad">silent damage?</Badge> : null}
        </p>
        <p class="muted">
          {entry === null ? '' : `${formatBytes(entry.size)}, `}in {formatItems(snapshots, 'snapshot')}
        </p>
      </div>
      {entry?.type === 'file' ? (
        <a
          class="button quiet"
          href={page.api.contentAddress(first.id, placeOf(entry), { inline: false })}
          download
          aria-label={`Download the version of ${formatExact(Date.parse(first.time))}`}
        >
          <Icon name="download" />
        </a>
      ) : null}
      {entry === null ? null : (
        <RestoreLink
          snapshot={first.id}
          entry={entry}
          class="button quiet"
          label={`Restore the version of ${formatExact(Date.parse(first.time))}`}
        >
          <Icon name="restore" />
        </RestoreLink>
      )}
    </>
  );
}
