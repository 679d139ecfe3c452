/** Which folders and files come back. */

import { useState } from 'preact/hooks';
import { type PlaceQuery, placeOf } from '../../api.ts';
import type { Entry, PathEntry, Snapshot } from '../../api-types.ts';
import { Button } from '../../ui/basics.tsx';
import { Dialog } from '../../ui/dialog.tsx';
import { FolderList, rootOf } from '../browse/folder-list.tsx';

const keyOf = ({ path, path_base64 }: PathEntry): string => path_base64 ?? path;

export function ChosenPaths(props: {
  readonly snapshot: Snapshot;
  readonly paths: readonly PathEntry[];
  readonly onChange: (paths: readonly PathEntry[]) => void;
}) {
  const { snapshot, paths, onChange } = props;
  const [isPicking, setPicking] = useState(false);
  const add = (entry: PathEntry): void => {
    setPicking(false);
    // The top is all of it.
    const others = paths.filter((one) => keyOf(one) !== keyOf(entry));
    onChange(entry.path === '/' ? [] : [...others, { path: entry.path, ...placeOf(entry) }]);
  };
  return (
    <fieldset class="field">
      <legend>What comes back</legend>
      {paths.length === 0 ? (
        <p>
          Everything that the snapshot holds:{' '}
          <span class="path">{snapshot.paths.map(({ path }) => path).join(', ')}</span>
        </p>
      ) : (
        <ul class="chips" aria-label="Chosen folders and files">
          {paths.map((entry) => (
            <li key={keyOf(entry)} class="chip">
              <span class="path">{entry.path}</span>
              <Button
                kind="quiet"
                icon="close"
                label={`Leave out ${entry.path}`}
                onPress={() => onChange(paths.filter((one) => one !== entry))}
              />
            </li>
          ))}
        </ul>
      )}
      <div class="actions">
        <Button icon="plus" onPress={() => setPicking(true)}>
          {paths.length === 0 ? 'Choose a folder or file' : 'Add a folder or file'}
        </Button>
      </div>
      {isPicking ? <PathPicker snapshot={snapshot} onPick={add} onClose={() => setPicking(false)} /> : null}
    </fieldset>
  );
}

/** The folders of that moment: a file is taken by its name, a folder once one is in it. */
function PathPicker(props: {
  readonly snapshot: Snapshot;
  readonly onPick: (entry: PathEntry) => void;
  readonly onClose: () => void;
}) {
  const { snapshot, onPick } = props;
  const [place, setPlace] = useState<PlaceQuery>({ path: rootOf(snapshot) });
  return (
    <Dialog title="Choose a folder or file" onClose={props.onClose}>
      <FolderList
        snapshot={snapshot}
        place={place}
        onOpen={(entry: Entry) => onPick(entry)}
        onFolder={setPlace}
        actions={(folder) => (
          <Button kind="main" onPress={() => onPick(folder)}>
            Take this folder
          </Button>
        )}
      />
    </Dialog>
  );
}
