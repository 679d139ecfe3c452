/** Settings, Access: who may come in, and by what. */

import { useState } from 'preact/hooks';
import { usePage } from '../../context.ts';
import { Button, ErrorNotice, PageHead, Section } from '../../ui/basics.tsx';
import { TextField } from '../../ui/fields.tsx';
import { useAction } from '../../use-loaded.ts';
import { TokensSection } from './tokens-section.tsx';
import { UsersSection } from './users-section.tsx';

export const PASSWORD_CHARACTERS_MIN = 10;

export function AccessPage() {
  return (
    <>
      <PageHead title="Access">Who may sign in, and which scripts may ask.</PageHead>
      <PasswordSection />
      <UsersSection />
      <TokensSection />
    </>
  );
}

function PasswordSection() {
  const page = usePage();
  const [present, setPresent] = useState('');
  const [next, setNext] = useState('');
  const action = useAction();
  const change = async (event: Event): Promise<void> => {
    event.preventDefault();
    const went = await action.run(() => page.api.changePassword(present, next));
    if (!went) return;
    setPresent('');
    setNext('');
    page.toasts.show('good', 'The password was changed. Other devices have to sign in anew.');
  };
  return (
    <Section title="Your password">
      <form class="stack narrow" onSubmit={change}>
        <TextField
          label="Present password"
          type="password"
          value={present}
          onChange={setPresent}
          autoComplete="current-password"
          required
        />
        <TextField
          label="New password"
          type="password"
          value={next}
          onChange={setNext}
          autoComplete="new-password"
          minLength={PASSWORD_CHARACTERS_MIN}
          hint={`At least ${PASSWORD_CHARACTERS_MIN} characters`}
          required
        />
        <ErrorNotice error={action.error} />
        <div class="actions">
          <Button type="submit" busy={action.isBusy ? 'Changing it …' : undefined}>
            Change the password
          </Button>
        </div>
      </form>
    </Section>
  );
}
