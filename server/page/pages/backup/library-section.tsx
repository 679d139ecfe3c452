/** What a backup includes: which folders hold the database, the covers, the books. */

import { useState } from 'preact/hooks';
import type { Library, LibraryState } from '../../api-types.ts';
import { usePage } from '../../context.ts';
import { Button, ErrorNotice, Section, Waiting } from '../../ui/basics.tsx';
import { AreaField, SelectField } from '../../ui/fields.tsx';
import { useAction, useLoaded } from '../../use-loaded.ts';

const ORIGINS: { readonly [origin in LibraryState['origin']]: string } = {
  set: 'Set by hand.',
  detected: 'Found by looking into the folders.',
  initial: 'Nothing was recognized yet: all folders count as books.',
};

export function LibrarySection() {
  const page = usePage();
  const loaded = useLoaded((signal) => page.api.library(signal), { live: ['library'] });
  return (
    <Section
      title="What to include"
      anchor="include"
      lead={loaded.data === undefined ? undefined : `Which folders are what. ${ORIGINS[loaded.data.origin]}`}
    >
      <ErrorNotice error={loaded.error} onRetry={loaded.reload} />
      {loaded.data === undefined ? (
        loaded.isLoading ? (
          <Waiting what="the library" />
        ) : null
      ) : (
        <LibraryForm key={JSON.stringify(loaded.data.library)} state={loaded.data} onSaved={loaded.put} />
      )}
    </Section>
  );
}

type PathsKey = 'database_paths' | 'cover_paths' | 'book_paths' | 'other_paths';

const FIELDS: readonly (readonly [PathsKey, string])[] = [
  ['database_paths', 'Database'],
  ['cover_paths', 'Covers'],
  ['book_paths', 'Books'],
  ['other_paths', 'Other, always included'],
];

function linesOf(text: string): string[] {
  return text.split('\n').filter((line) => line !== '');
}

function LibraryForm({
  state,
  onSaved,
}: {
  readonly state: LibraryState;
  readonly onSaved: (state: LibraryState) => void;
}) {
  const page = usePage();
  const { library } = state;
  const [texts, setTexts] = useState<{ readonly [key in PathsKey]: string }>({
    database_paths: library.database_paths.join('\n'),
    cover_paths: library.cover_paths.join('\n'),
    book_paths: library.book_paths.join('\n'),
    other_paths: library.other_paths.join('\n'),
  });
  const [profile, setProfile] = useState(library.profile ?? '');
  const action = useAction();
  const save = (event: Event): void => {
    event.preventDefault();
    const changed: Library = {
      database_paths: linesOf(texts.database_paths),
      cover_paths: linesOf(texts.cover_paths),
      book_paths: linesOf(texts.book_paths),
      other_paths: linesOf(texts.other_paths),
      profile: profile === '' ? null : profile,
    };
    action.run(async () => {
      const saved = await page.api.setLibrary(changed);
      page.toasts.show('good', 'Saved. The next backup is made of these folders.');
      onSaved(saved);
    });
  };
  const detect = (): void => {
    action.run(async () => page.jobs.put((await page.api.detectLibrary()).job));
  };
  return (
    <form class="stack" onSubmit={save}>
      <SelectField
        label="Server"
        value={profile}
        options={[['', 'None of these'] as const, ...state.profiles.map(({ name, title }) => [name, title] as const)]}
        onChange={setProfile}
        hint="Whose library it is: what that server makes anew by itself is left out."
      />
      <div class="columns">
        {FIELDS.map(([key, label]) => (
          <AreaField
            key={key}
            label={label}
            value={texts[key]}
            onChange={(text) => setTexts((known) => ({ ...known, [key]: text }))}
          />
        ))}
      </div>
      <p class="hint">One folder or file a line, as absolute paths of the machine that the server runs on.</p>
      <ErrorNotice error={action.error} />
      <div class="actions">
        <Button kind="main" type="submit" busy={action.isBusy ? 'Saving …' : undefined}>
          Save the folders
        </Button>
        <Button disabled={action.isBusy} onPress={detect}>
          Look again
        </Button>
      </div>
    </form>
  );
}
