/** Where the folders of a snapshot go on a machine that has them elsewhere. */

import type { Snapshot } from '../../api-types.ts';
import { PathField } from '../../ui/path-field.tsx';
import type { RestoreChoice } from './choice.ts';
import { ServerField } from './server-field.tsx';

export function MovedFields(props: {
  readonly snapshot: Snapshot;
  readonly choice: RestoreChoice;
  readonly onChange: (choice: RestoreChoice) => void;
}) {
  const { snapshot, choice, onChange } = props;
  return (
    <>
      {snapshot.paths.map(({ path }) => (
        <PathField
          key={path}
          label={`Instead of ${path}`}
          value={choice.moves[path] ?? ''}
          onChange={(to) => onChange({ ...choice, moves: { ...choice.moves, [path]: to } })}
          placeholder={path}
          hint="Empty: to where it was"
        />
      ))}
      <ServerField value={choice.profile} onChange={(profile) => onChange({ ...choice, profile })} />
    </>
  );
}
