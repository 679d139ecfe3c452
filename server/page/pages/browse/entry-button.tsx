/** One entry of a list: a folder is gone into, a file is looked at. */

import { type PlaceQuery, placeOf } from '../../api.ts';
import type { Entry } from '../../api-types.ts';
import { Icon } from '../../ui/icon.tsx';

export function nameOf({ path }: Pick<Entry, 'path'>): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

export function EntryButton(props: {
  readonly entry: Entry;
  readonly name: string;
  readonly onOpen: (entry: Entry) => void;
  readonly onFolder: (place: PlaceQuery) => void;
}) {
  const { entry } = props;
  const isFolder = entry.type === 'dir';
  return (
    <button
      type="button"
      class="entry"
      onClick={() => (isFolder ? props.onFolder(placeOf(entry)) : props.onOpen(entry))}
    >
      <Icon name={isFolder ? 'folder' : entry.type === 'symlink' ? 'link' : 'file'} />
      <span>{props.name}</span>
    </button>
  );
}
