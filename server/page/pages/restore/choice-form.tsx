/** Where a restore goes, and what becomes of what is there. */

import type { ComponentChildren } from 'preact';
import { Button, ErrorNotice } from '../../ui/basics.tsx';
import { Checkbox, SelectField, TextField } from '../../ui/fields.tsx';
import { mayRemove, type RestoreChoice, type RestorePlaceKind, type RestoreRule } from './choice.ts';

const PLACES = [
  ['in place', 'Back to where it was'],
  ['elsewhere', 'Another folder of the server'],
] as const satisfies readonly (readonly [RestorePlaceKind, string])[];

const RULES = [
  ['if-changed', 'Put right what differs'],
  ['always', 'Write all of them anew'],
  ['if-newer', 'Replace those that are older'],
  ['never', 'Leave them as they are'],
] as const satisfies readonly (readonly [RestoreRule, string])[];

const EMPTY_RULE = ['empty', 'There are none: the folder has to be empty'] as const;

export function ChoiceForm(props: {
  readonly choice: RestoreChoice;
  readonly isBusy: boolean;
  readonly error: string | undefined;
  readonly onChange: (choice: RestoreChoice) => void;
  readonly onPlan: () => void;
  /** The fields before: which moment and what of it. */
  readonly children: ComponentChildren;
}) {
  const { choice, onChange } = props;
  const isElsewhere = choice.place === 'elsewhere';
  const submit = (event: Event): void => {
    event.preventDefault();
    props.onPlan();
  };
  return (
    <form class="stack card" onSubmit={submit}>
      {props.children}
      <SelectField
        label="Where to"
        value={choice.place}
        options={PLACES}
        onChange={(place) => onChange({ ...choice, place, rule: place === 'elsewhere' ? 'empty' : 'if-changed' })}
      />
      {isElsewhere ? (
        <TextField
          label="Folder"
          value={choice.target}
          onChange={(target) => onChange({ ...choice, target })}
          required
          placeholder="/mnt/restored"
          hint="A whole path on the server's machine. It is made where it is not there. One chosen folder comes straight into it, several below their whole paths."
        />
      ) : null}
      <SelectField
        label="Files that are there already"
        value={choice.rule}
        options={isElsewhere ? [EMPTY_RULE, ...RULES] : RULES}
        onChange={(rule) => onChange({ ...choice, rule })}
      />
      {mayRemove(choice) ? (
        <Checkbox
          label="Remove what the snapshot does not have"
          checked={choice.isRemoving}
          onChange={(isRemoving) => onChange({ ...choice, isRemoving })}
          hint="Without it, what came later stays."
        />
      ) : null}
      <ErrorNotice error={props.error} />
      <div class="actions">
        <Button kind="main" type="submit" busy={props.isBusy ? 'Starting …' : undefined}>
          See what it would do
        </Button>
      </div>
    </form>
  );
}
