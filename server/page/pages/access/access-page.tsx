/** Settings, Access: who may come in, and by what. */

import { useState } from 'preact/hooks';
import { usePage } from '../../context.ts';
import { Button, ErrorNotice, PageHead, Section } from '../../ui/basics.tsx';
import { TextField } from '../../ui/fields.tsx';
import { NewPasswordFields, useNewPassword } from '../../ui/passwords.tsx';
import { useAction } from '../../use-loaded.ts';
import { TokensSection } from './tokens-section.tsx';
import { UsersSection } from './users-section.tsx';

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
  const next = useNewPassword();
  const action = useAction();
  const change = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (!next.isSame) return;
    const went = await action.run(() => page.api.changePassword(present, next.value));
    if (!went) return;
    setPresent('');
    next.clear();
    page.toasts.show('good', 'The password was changed. Other devices have to sign in anew.');
  };
  return (
    <Section title="Your password" lead="For signing in here. All your other sessions end when it changes.">
      <form class="stack narrow" onSubmit={change}>
        <TextField
          label="Present password"
          type="password"
          value={present}
          onChange={setPresent}
          autoComplete="current-password"
          required
        />
        <NewPasswordFields label="New password" password={next} />
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
