import { Popover } from 'radix-ui';
import { useState } from 'react';
import { ui } from './ui.tsx';

/** A button that asks whether it is meant before it does what cannot be undone. */
export function Confirm(props: { label: string; question: string; yes: string; onYes: () => void; quiet?: boolean }) {
  const [isOpen, setOpen] = useState(false);
  const accept = (): void => {
    setOpen(false);
    props.onYes();
  };
  return (
    <Popover.Root open={isOpen} onOpenChange={setOpen}>
      <Popover.Trigger className={ui.button} data-kind={props.quiet === true ? 'quiet' : 'danger'}>
        {props.label}
      </Popover.Trigger>
      <Popover.Portal>
        <Popover.Content className={ui.popover} align="end" sideOffset={6} aria-label={props.label}>
          <p>{props.question}</p>
          <div className={ui.actions}>
            <button type="button" className={ui.button} data-kind="danger" onClick={accept}>
              {props.yes}
            </button>
            <Popover.Close className={ui.button}>Keep it</Popover.Close>
          </div>
        </Popover.Content>
      </Popover.Portal>
    </Popover.Root>
  );
}
