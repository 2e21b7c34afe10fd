// The notebook in front, and the comm to its kernel.
import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import { Signal, type ISignal } from '@lumino/signaling';

import { KernelComm } from './kernelComm';

export class FrontNotebook {
  constructor(tracker: INotebookTracker) {
    this._tracker = tracker;
    tracker.forEach(panel => this._add(panel));
    tracker.widgetAdded.connect((_tracker, panel) => this._add(panel));
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
    const comm = this.panel === null ? undefined : this._comms.get(this.panel);
    return comm?.ours ? comm : null;
  }

  private _add(panel: NotebookPanel): void {
    if (this._comms.has(panel)) {
      return;
    }
    const comm = new KernelComm(panel.sessionContext);
    this._comms.set(panel, comm);
    comm.changed.connect(() => {
      if (panel === this.panel) {
        this._changed.emit();
      }
    });
    panel.disposed.connect(() => comm.dispose());
  }

  private _onCurrent(): void {
    const panel = this.panel;
    if (panel !== null) {
      this._add(panel);
    }
    this._tracker.forEach(each => {
      const comm = this._comms.get(each);
      if (comm !== undefined) {
        comm.inFront = each === panel;
      }
    });
    this._changed.emit();
  }

  private readonly _tracker: INotebookTracker;
  private readonly _comms = new WeakMap<NotebookPanel, KernelComm>();
  private readonly _changed = new Signal<this, void>(this);
}
