/** One file: a look at it, what it was before, and the way to get it. */

import { useState } from 'preact/hooks';
import { placeOf } from '../../api.ts';
import type { Entry, Snapshot, Version } from '../../api-types.ts';
import { usePage } from '../../context.ts';
import { formatBytes, formatExact, formatItems } from '../../format.ts';
import { Badge, ErrorNotice, Notice, Waiting, When } from '../../ui/basics.tsx';
import { Dialog } from '../../ui/dialog.tsx';
import { Icon } from '../../ui/icon.tsx';
import { useLoaded } from '../../use-loaded.ts';
import { nameOf } from './entry-button.tsx';
import { RestoreLink } from './restore-link.tsx';

export function EntryDialog({
  snapshot,
  entry,
  onClose,
}: {
  readonly snapshot: Snapshot;
  readonly entry: Entry;
  readonly onClose: () => void;
}) {
  const page = usePage();
  const place = placeOf(entry);
  return (
    <Dialog title={nameOf(entry)} onClose={onClose}>
      <div class="stack">
        <p class="path muted">{entry.path}</p>
        {entry.type === 'file' ? <Preview snapshot={snapshot} entry={entry} /> : null}
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
            <a class="button main" href={page.api.contentAddress(snapshot.id, place, { inline: false })} download>
              <Icon name="download" /> Download
            </a>
          ) : null}
          <RestoreLink snapshot={snapshot.id} entry={entry}>
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

function Preview({ snapshot, entry }: { readonly snapshot: Snapshot; readonly entry: Entry }) {
  const page = usePage();
  const [isBroken, setBroken] = useState(false);
  const address = page.api.contentAddress(snapshot.id, placeOf(entry), { inline: true });
  if (entry.database) return <Notice tone="plain">A database, captured as a whole while it was in use.</Notice>;
  if (isBroken) return <p class="muted">The browser cannot show this file.</p>;
  if (PICTURE.test(entry.path) && entry.size <= PICTURE_BYTES_MAX) {
    return <img class="preview" src={address} alt={`Preview of ${nameOf(entry)}`} onError={() => setBroken(true)} />;
  }
  if (SOUND.test(entry.path)) {
    // biome-ignore lint/a11y/useMediaCaption: nobody wrote down what a book says
    return <audio class="preview" controls preload="none" src={address} onError={() => setBroken(true)} />;
  }
  if (TEXT.test(entry.path)) return <TextPreview snapshot={snapshot} entry={entry} />;
  return null;
}

function TextPreview({ snapshot, entry }: { readonly snapshot: Snapshot; readonly entry: Entry }) {
  const page = usePage();
  const text = useLoaded((signal) => page.api.text(snapshot.id, placeOf(entry), { bytes: TEXT_BYTES_SHOWN, signal }), {
    inputs: [snapshot.id, entry.path],
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
  const loaded = useLoaded((signal) => page.api.history(placeOf(entry), signal), { inputs: [entry.path] });
  return (
    <section class="section" aria-label="Its history">
      <h3>Its history</h3>
      <ErrorNotice error={loaded.error} onRetry={loaded.reload} />
      {loaded.data === undefined ? (
        loaded.isLoading ? (
          <Waiting what="its history" />
        ) : null
      ) : (
        <ul class="rows">
          {loaded.data.items.map((version) => (
            <VersionRow key={`${version.first.id} ${version.change}`} version={version} />
          ))}
        </ul>
      )}
    </section>
  );
}

function VersionRow({ version }: { readonly version: Version }) {
  const page = usePage();
  const { entry, first, change, snapshots } = version;
  return (
    <li class="row">
      <div class="row-main">
        <p>
          <When at={first.time} />: it {CHANGES[change] ?? change}{' '}
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
    </li>
  );
}
