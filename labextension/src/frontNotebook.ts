// The open notebooks with the comms to their kernels, and which of them is in front.
import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import { Signal, type ISignal } from '@lumino/signaling';

import { KernelComm } from './kernelComm';

const START_TIMEOUT_MS = 60_000;

export class FrontNotebook {
  constructor(tracker: INotebookTracker) {
    this._tracker = tracker;
    tracker.forEach(panel => this.commOf(panel));
    tracker.widgetAdded.connect((_tracker, panel) => this.commOf(panel));
    tracker.currentChanged.connect(this._onCurrent, this);
    this._onCurrent();
  }

  // Something of the notebook in front has changed, or another one is.
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  get panel(): NotebookPanel | null {
    return this._tracker.currentWidget;
  }

  // The comm to the kernel of the notebook in front; null where that kernel isn't one of ours.
  get comm(): KernelComm | null {
    const comm = this.panel === null ? null : this.commOf(this.panel);
    return comm?.status ? comm : null;
  }

  commOf(panel: NotebookPanel): KernelComm {
    const known = this._comms.get(panel);
    if (known !== undefined) {
      return known;
    }
    const comm = new KernelComm(panel.sessionContext);
    this._comms.set(panel, comm);
    comm.changed.connect(() => {
      if (panel === this.panel) {
        this._changed.emit();
      }
    });
    panel.disposed.connect(() => comm.dispose());
    return comm;
  }

  // The comm of a notebook that has just been opened, once its kernel has told how it is connected.
  async started(panel: NotebookPanel): Promise<KernelComm> {
    const comm = this.commOf(panel);
    const end = Date.now() + START_TIMEOUT_MS;
    while (comm.status === null) {
      if (Date.now() > end || panel.isDisposed) {
        throw new Error('The kernel of the new notebook has not told the page how it is connected.');
      }
      await new Promise(resolve => window.setTimeout(resolve, 50));
    }
    return comm;
  }

  private _onCurrent(): void {
    this._tracker.forEach(panel => (this.commOf(panel).inFront = panel === this.panel));
    this._changed.emit();
  }

  private readonly _tracker: INotebookTracker;
  private readonly _comms = new WeakMap<NotebookPanel, KernelComm>();
  private readonly _changed = new Signal<this, void>(this);
}
