/** An address that leads nowhere. */

import { Link, PageHead } from '../ui/basics.tsx';

export function NotFoundPage() {
  return (
    <>
      <PageHead title="Nothing is here">The address leads to no page.</PageHead>
      <p>
        <Link to="/">Go to the overview</Link>
      </p>
    </>
  );
}
