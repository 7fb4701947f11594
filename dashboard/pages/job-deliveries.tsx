import { useState } from 'react';
import { useMutation } from 'urql';
import { RedeliverWebhookDocument } from '../generated/graphql.ts';
import { useMaySubmit } from '../live/context.ts';
import { refusalIn } from '../live/refusal.ts';
import { moment, words } from '../parts/format.ts';
import { Ago } from '../parts/time.tsx';
import { Badge, Fault, Panel, type Tone, ui } from '../parts/ui.tsx';
import type { Detail, History } from '../live/job-detail.ts';

type Delivery = History['webhookDeliveries']['nodes'][number];

/** What the job's webhook was told, and what its receiver said to that. */
export function Deliveries({ job, deliveries }: { job: Detail; deliveries: readonly Delivery[] }) {
  const [fault, setFault] = useState<string>();
  if (job.webhook === null) return null;
  return (
    <Panel title="Webhook" note={<span className={ui.mono}>{job.webhook}</span>} bare>
      {fault !== undefined && <Fault>{fault}</Fault>}
      <div className={ui.scroll} tabIndex={0} role="region" aria-label="Table of webhook deliveries">
        <table className={ui.table}>
          <thead>
            <tr>
              <th>Tells</th>
              <th>State</th>
              <th>Since</th>
              <th>Last try</th>
              <th>
                <span className={ui.hidden}>Actions</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {deliveries.toReversed().map((delivery) => (
              <Row key={delivery.id} delivery={delivery} onFault={setFault} />
            ))}
          </tbody>
        </table>
      </div>
    </Panel>
  );
}

function Row({ delivery, onFault }: { delivery: Delivery; onFault: (fault: string | undefined) => void }) {
  const [, redeliver] = useMutation(RedeliverWebhookDocument);
  const maySubmit = useMaySubmit();
  const [isAsked, setAsked] = useState(false);
  const last = delivery.tries.at(-1);
  const send = async (): Promise<void> => {
    const fault = refusalIn(await redeliver({ id: delivery.id }));
    onFault(fault);
    setAsked(fault === undefined);
  };
  return (
    <tr>
      <td>{words(delivery.status.toUpperCase())}</td>
      <td>
        <Badge tone={stateOf(delivery).tone}>{stateOf(delivery).text}</Badge>
      </td>
      <td data-tight>
        <Ago at={delivery.createdAt} />
      </td>
      <td>
        {last === undefined
          ? 'not yet'
          : `try ${last.number}: ${last.error ?? `answered ${last.statusCode ?? 'nothing'}`} in ${last.milliseconds} ms`}
      </td>
      <td>
        {maySubmit && (
          <button type="button" className={ui.button} data-kind="quiet" disabled={isAsked} onClick={() => void send()}>
            {isAsked ? 'Will be sent' : 'Send again'}
          </button>
        )}
      </td>
    </tr>
  );
}

function stateOf({ deliveredAt, abandonedAt, nextTryAt }: Delivery): { tone: Tone; text: string } {
  if (deliveredAt !== null) return { tone: 'completed', text: 'Delivered' };
  if (abandonedAt !== null) return { tone: 'failed', text: 'Given up' };
  return { tone: 'pending', text: nextTryAt === null ? 'Waits' : `Next try ${moment(nextTryAt)}` };
}
