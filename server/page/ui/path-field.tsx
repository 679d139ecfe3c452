/** A path on the server's machine. */

import { TextField } from './fields.tsx';

export function PathField(props: {
  readonly label: string;
  readonly value: string;
  readonly onChange: (value: string) => void;
  readonly placeholder: string;
  readonly hint?: string;
  readonly required?: boolean;
}) {
  const path = props.value.trim();
  const isWhole = path === '' || path.startsWith('/');
  return <TextField {...props} error={isWhole ? undefined : 'A whole path begins with a slash'} />;
}
