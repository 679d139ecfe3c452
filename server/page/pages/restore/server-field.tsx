/** Whose library it is that goes to other folders: the paths in that server's database follow. */

import { useEffect } from 'preact/hooks';
import { usePage } from '../../context.ts';
import { ErrorNotice, Waiting } from '../../ui/basics.tsx';
import { SelectField } from '../../ui/fields.tsx';
import { useLoaded } from '../../use-loaded.ts';

const NO_SERVER = ['', 'None of them: only files are brought there'] as const;

export function ServerField(props: {
  /** Name of a profile; empty: none; undefined: nobody said it yet, so it is the one of this library, if that is known. */
  readonly value: string | undefined;
  readonly onChange: (profile: string) => void;
}) {
  const page = usePage();
  const { value, onChange } = props;
  const library = useLoaded((signal) => page.api.library(signal));
  const own = library.data?.library.profile ?? '';
  useEffect(() => {
    if (value === undefined && own !== '') onChange(own);
  }, [own, value, onChange]);
  if (library.data === undefined) {
    return library.isLoading ? (
      <Waiting what="the servers that are known" />
    ) : (
      <ErrorNotice error={library.error} onRetry={library.reload} />
    );
  }
  const servers = library.data.profiles.map(({ name, title }) => [name, title] as const);
  return (
    <SelectField
      label="The server whose library it is"
      value={value ?? ''}
      options={[NO_SERVER, ...servers]}
      onChange={onChange}
      hint="All of that server comes back, and the paths in its database follow to the new folders."
    />
  );
}
