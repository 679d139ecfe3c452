/** Messages that come and go in a corner. */

import { usePage } from '../context.ts';
import { useStore } from '../store.ts';
import { Button, Link } from './basics.tsx';

export function ToastList() {
  const { toasts } = usePage();
  const shown = useStore(toasts.shown);
  return (
    <section class="toasts" aria-label="Messages" aria-live="polite">
      {shown.map(({ id, tone, text, link }) => (
        <div key={id} class={`toast ${tone}`}>
          <p>
            {text}{' '}
            {link === undefined ? null : (
              <Link to={link.path} onFollow={() => toasts.close(id)}>
                {link.text}
              </Link>
            )}
          </p>
          <Button kind="quiet" icon="close" label="Close this message" onPress={() => toasts.close(id)} />
        </div>
      ))}
    </section>
  );
}
