import { Component, type ReactNode } from 'react';
import { Fault, ui } from './ui.tsx';

/** What is left of a page that could not be shown. After an update of the server, a part of the old page may not be there any more. */
export class Boundary extends Component<{ children: ReactNode }, { fault: string | undefined }> {
  override state: { fault: string | undefined } = { fault: undefined };

  static getDerivedStateFromError(error: unknown): { fault: string } {
    return { fault: error instanceof Error ? error.message : String(error) };
  }

  override render(): ReactNode {
    const { fault } = this.state;
    if (fault === undefined) return this.props.children;
    return (
      <div className={ui.page}>
        <Fault>This page could not be shown: {fault}</Fault>
        <div>
          <button type="button" className={ui.button} onClick={() => location.reload()}>
            Load it again
          </button>
        </div>
      </div>
    );
  }
}
