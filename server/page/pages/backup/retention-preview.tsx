/** Which backups would stay and which would go, and why, before anything does. */

import type { RetentionDecision, RetentionPlan } from '../../api-types.ts';
import { usePage } from '../../context.ts';
import { formatItems } from '../../format.ts';
import { Badge, Button, Moment, Notice } from '../../ui/basics.tsx';
import { Dialog } from '../../ui/dialog.tsx';
import { PagedRows } from '../../ui/paged-rows.tsx';
import { usePages } from '../../use-pages.ts';

export function RetentionPreview({
  days,
  onClose,
}: {
  readonly days: number | undefined;
  readonly onClose: () => void;
}) {
  const page = usePage();
  const list = usePages<RetentionDecision, RetentionPlan>(
    (cursor, signal) => page.api.retentionPlan(days, { cursor, signal }),
    [days],
  );
  const plan = list.first;
  return (
    <Dialog title="What would stay, and what would go" onClose={onClose}>
      <div class="stack">
        {plan === undefined ? null : (
          <p>
            {formatItems(plan.kept, 'backup stays', 'backups stay')}, {formatItems(plan.removed, 'goes', 'go')}. Nothing
            happens now: the next night does it.
          </p>
        )}
        {plan?.warnings.map((warning) => (
          <Notice key={warning} tone="warn">
            {warning}
          </Notice>
        ))}
        <PagedRows
          list={list}
          label="Backups"
          what="the plan"
          moreWords="Show older ones"
          keyOf={({ snapshot }) => snapshot.id}
          render={(decision) => <Decision decision={decision} />}
        />
        <div class="dialog-actions">
          <Button onPress={onClose}>Close</Button>
        </div>
      </div>
    </Dialog>
  );
}

function Decision({ decision: { snapshot, kept, reasons } }: { readonly decision: RetentionDecision }) {
  return (
    <>
      <div class="row-main">
        <p class="row-title">
          <Moment at={snapshot.time} />
        </p>
        <p class="muted">{kept ? reasons.map(({ text }) => text).join(', ') : 'No rule keeps it'}</p>
      </div>
      <Badge tone={kept ? 'good' : 'warn'}>{kept ? 'stays' : 'goes'}</Badge>
    </>
  );
}
