import { useState } from 'react';
import { ui } from './ui.tsx';

/** What to do next, with the command to copy where there is one. */
export function Empty({ title, children, command }: { title: string; children: string; command?: string }) {
  return (
    <div className={ui.empty}>
      <h2>{title}</h2>
      <p>{children}</p>
      {command !== undefined && <Command text={command} />}
    </div>
  );
}

export function Command({ text }: { text: string }) {
  return (
    <div className={ui.command}>
      <pre>{text}</pre>
      <CopyButton text={text} />
    </div>
  );
}

function CopyButton({ text }: { text: string }) {
  const [isCopied, setCopied] = useState(false);
  // Browsers have no clipboard for pages that came in clear from another machine.
  if (!isSecureContext) return null;
  const copy = (): void => {
    void navigator.clipboard.writeText(text).then(
      () => setCopied(true),
      // Without the permission, the text can still be selected.
      () => setCopied(false),
    );
  };
  return (
    <button type="button" className={ui.button} data-kind="quiet" onClick={copy} onBlur={() => setCopied(false)}>
      <span aria-live="polite">{isCopied ? 'Copied' : 'Copy'}</span>
    </button>
  );
}
