/** Which backups would stay and which would go, and why, before anything does. */

import { usePage } from '../../context.ts';
import { formatItems } from '../../format.ts';
import { Badge, Button, ErrorNotice, Moment, Notice, Waiting } from '../../ui/basics.tsx';
import { Dialog } from '../../ui/dialog.tsx';
import { useLoaded } from '../../use-loaded.ts';

export function RetentionPreview({
  days,
  onClose,
}: {
  readonly days: number | undefined;
  readonly onClose: () => void;
}) {
  const page = usePage();
  const plan = useLoaded((signal) => page.api.retentionPlan(days, signal), { inputs: [days] });
  return (
    <Dialog title="What would stay, and what would go" onClose={onClose}>
      <div class="stack">
        <ErrorNotice error={plan.error} onRetry={plan.reload} />
        {plan.data === undefined ? (
          plan.isLoading ? (
            <Waiting what="the plan" />
          ) : null
        ) : (
          <>
            <p>
              {formatItems(plan.data.kept, 'backup stays', 'backups stay')},{' '}
              {formatItems(plan.data.removed, 'goes', 'go')}. Nothing happens now: the next night does it.
            </p>
            {plan.data.warnings.map((warning) => (
              <Notice key={warning} tone="warn">
                {warning}
              </Notice>
            ))}
            <ul class="rows" aria-label="Backups">
              {plan.data.items.map(({ snapshot, kept, reasons }) => (
                <li class="row" key={snapshot.id}>
                  <div class="row-main">
                    <p class="row-title">
                      <Moment at={snapshot.time} />
                    </p>
                    <p class="muted">{kept ? reasons.map(({ text }) => text).join(', ') : 'No rule keeps it'}</p>
                  </div>
                  <Badge tone={kept ? 'good' : 'warn'}>{kept ? 'stays' : 'goes'}</Badge>
                </li>
              ))}
            </ul>
            {plan.data.next_cursor === null ? null : <p class="muted">And more, older ones.</p>}
          </>
        )}
        <div class="dialog-actions">
          <Button onPress={onClose}>Close</Button>
        </div>
      </div>
    </Dialog>
  );
}
