/** Where the setup link of the log leads: makes the first admin. */

import { useState } from 'preact/hooks';
import { usePage } from '../context.ts';
import { Button, ErrorNotice, Link } from '../ui/basics.tsx';
import { TextField } from '../ui/fields.tsx';
import { NewPasswordFields, useNewPassword } from '../ui/passwords.tsx';
import { useAction } from '../use-loaded.ts';
import { Alone } from './alone.tsx';

export function SetupPage() {
  const page = usePage();
  // What stands behind the # never left the browser.
  const [token] = useState(() => new URLSearchParams(location.hash.slice(1)).get('token') ?? '');
  const [name, setName] = useState('');
  const password = useNewPassword();
  const action = useAction();
  const setUp = (event: Event): void => {
    event.preventDefault();
    if (!password.isSame) return;
    action.run(async () => {
      const session = await page.api.setUp(token, name, password.value);
      // The link works once: it need not stay in the history.
      page.router.go('/', {}, { replace: true });
      page.enter(session);
    });
  };
  if (token === '') {
    return (
      <Alone
        title="The link is not whole"
        lead="Copy the setup link from the server's log with all that stands behind the #."
      >
        <p>
          <Link to="/">Go to the sign-in</Link>
        </p>
      </Alone>
    );
  }
  return (
    <Alone title="Make the admin" lead="This account may do everything here. Keep its password well.">
      <form class="stack" onSubmit={setUp}>
        <TextField label="Name" value={name} onChange={setName} autoComplete="username" required autoFocus />
        <NewPasswordFields label="Password" password={password} />
        <ErrorNotice error={action.error} />
        <Button kind="main" type="submit" busy={action.isBusy ? 'Making the account …' : undefined}>
          Make the account
        </Button>
      </form>
    </Alone>
  );
}
