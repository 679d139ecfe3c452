/** Fields of forms, each with its label and what it wants. */

import type { ComponentChildren } from 'preact';
import { useId } from 'preact/hooks';

export function TextField(props: {
  readonly label: string;
  readonly value: string;
  readonly onChange: (value: string) => void;
  readonly type?: 'text' | 'password' | 'number' | 'search' | 'email' | 'url' | 'time';
  readonly hint?: ComponentChildren;
  readonly error?: string | undefined;
  readonly autoComplete?: string;
  readonly required?: boolean;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly min?: number;
  readonly max?: number;
  readonly placeholder?: string;
  readonly autoFocus?: boolean;
  /** To be copied. */
  readonly isReadOnly?: boolean;
}) {
  const id = useId();
  const hasHint = props.hint !== undefined;
  // The types of attributes want to know which kind of field it is; here it is any of them.
  const type = (props.type ?? 'text') as 'text';
  const described = [hasHint ? `${id}-hint` : '', props.error === undefined ? '' : `${id}-error`].join(' ').trim();
  return (
    <div class="field">
      <label for={id}>{props.label}</label>
      <input
        id={id}
        type={type}
        value={props.value}
        onInput={(event) => props.onChange(event.currentTarget.value)}
        autoComplete={props.autoComplete ?? 'off'}
        required={props.required}
        minLength={props.minLength}
        maxLength={props.maxLength}
        min={props.min}
        max={props.max}
        placeholder={props.placeholder}
        autofocus={props.autoFocus}
        readOnly={props.isReadOnly}
        aria-describedby={described === '' ? undefined : described}
        aria-invalid={props.error === undefined ? undefined : true}
      />
      {hasHint ? (
        <p id={`${id}-hint`} class="hint">
          {props.hint}
        </p>
      ) : null}
      {props.error === undefined ? null : (
        <p id={`${id}-error`} class="field-error">
          {props.error}
        </p>
      )}
    </div>
  );
}

export function AreaField(props: {
  readonly label: string;
  readonly value: string;
  readonly onChange: (value: string) => void;
  readonly hint?: ComponentChildren;
  readonly rows?: number;
}) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{props.label}</label>
      <textarea
        id={id}
        rows={props.rows ?? 3}
        value={props.value}
        spellcheck={false}
        onInput={(event) => props.onChange(event.currentTarget.value)}
        aria-describedby={props.hint === undefined ? undefined : `${id}-hint`}
      />
      {props.hint === undefined ? null : (
        <p id={`${id}-hint`} class="hint">
          {props.hint}
        </p>
      )}
    </div>
  );
}

export function Checkbox(props: {
  readonly label: string;
  readonly checked: boolean;
  readonly onChange: (checked: boolean) => void;
  readonly hint?: string;
  readonly disabled?: boolean;
}) {
  const id = useId();
  return (
    <div class="check">
      <input
        id={id}
        type="checkbox"
        checked={props.checked}
        disabled={props.disabled}
        onChange={(event) => props.onChange(event.currentTarget.checked)}
        aria-describedby={props.hint === undefined ? undefined : `${id}-hint`}
      />
      <div>
        <label for={id}>{props.label}</label>
        {props.hint === undefined ? null : (
          <p id={`${id}-hint`} class="hint">
            {props.hint}
          </p>
        )}
      </div>
    </div>
  );
}

export function SelectField<Value extends string>(props: {
  readonly label: string;
  readonly value: Value;
  readonly options: readonly (readonly [Value, string])[];
  readonly onChange: (value: Value) => void;
  readonly hint?: string;
}) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{props.label}</label>
      <select
        id={id}
        value={props.value}
        onChange={(event) => props.onChange(event.currentTarget.value as Value)}
        aria-describedby={props.hint === undefined ? undefined : `${id}-hint`}
      >
        {props.options.map(([value, words]) => (
          <option key={value} value={value}>
            {words}
          </option>
        ))}
      </select>
      {props.hint === undefined ? null : (
        <p id={`${id}-hint`} class="hint">
          {props.hint}
        </p>
      )}
    </div>
  );
}

/** Fields that belong together, under a name. */
export function Group({ title, children }: { readonly title: string; readonly children: ComponentChildren }) {
  return (
    <fieldset class="group">
      <legend>{title}</legend>
      <div class="stack">{children}</div>
    </fieldset>
  );
}
