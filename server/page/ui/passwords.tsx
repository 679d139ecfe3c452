/** Passwords that somebody makes up, typed twice; and secrets that were given once and are never shown again. */

import { useState } from 'preact/hooks';
import { Button } from './basics.tsx';
import { TextField } from './fields.tsx';

export const PASSWORD_CHARACTERS_MIN = 10;

export interface NewPassword {
  readonly value: string;
  readonly again: string;
  /** Both times the same. */
  readonly isSame: boolean;
  readonly set: (value: string) => void;
  readonly setAgain: (again: string) => void;
  readonly clear: () => void;
}

export function useNewPassword(): NewPassword {
  const [value, set] = useState('');
  const [again, setAgain] = useState('');
  const clear = (): void => {
    set('');
    setAgain('');
  };
  return { value, again, isSame: value === again, set, setAgain, clear };
}

export function NewPasswordFields({ label, password }: { readonly label: string; readonly password: NewPassword }) {
  return (
    <>
      <TextField
        label={label}
        type="password"
        value={password.value}
        onChange={password.set}
        autoComplete="new-password"
        minLength={PASSWORD_CHARACTERS_MIN}
        hint={`At least ${PASSWORD_CHARACTERS_MIN} characters. A few words in a row are easy to keep in mind.`}
        required
      />
      <TextField
        label={`${label} again`}
        type="password"
        value={password.again}
        onChange={password.setAgain}
        autoComplete="new-password"
        error={password.again !== '' && !password.isSame ? 'This is not the same as above' : undefined}
        required
      />
    </>
  );
}

/** `value` undefined: what the server has stays. */
export function SecretField(props: {
  readonly label: string;
  readonly isKept: boolean;
  readonly value: string | undefined;
  readonly onChange: (value: string | undefined) => void;
  readonly hint?: string;
}) {
  const { label, isKept, value, onChange } = props;
  if (isKept && value === undefined) {
    return (
      <div class="field">
        <span class="label">{label}</span>
        <div class="actions">
          <span class="muted">Stored, and never shown</span>
          <Button label={`Change: ${label}`} onPress={() => onChange('')}>
            Change
          </Button>
        </div>
      </div>
    );
  }
  return (
    <div class="field">
      <TextField
        label={label}
        type="password"
        value={value ?? ''}
        onChange={onChange}
        autoComplete="off"
        hint={isKept ? 'Empty: none any more' : props.hint}
      />
      {isKept ? (
        <button type="button" class="crumb" onClick={() => onChange(undefined)}>
          Keep the one that is stored
        </button>
      ) : null}
    </div>
  );
}
