// Tabs above the output of a cell that has run on several machines: all of it, or what one machine has given out.
import type { CodeCell } from '@jupyterlab/cells';
import type { NotebookPanel } from '@jupyterlab/notebook';
import type { IOutputModel } from '@jupyterlab/rendermime';
import { Panel, Widget } from '@lumino/widgets';

import type { KernelComm } from './kernelComm';
import { button, element } from './text';

const SETTLE_MS = 150; // in which changes of outputs are looked at together
const LOOKED_AT = 65_536; // characters of a text in which machines are looked for
const HERE = 'here'; // what a cell calls the kernel's own machine
const HIDDEN = 'rk-mod-other';
const LABELLED = /^\[([^\[\]\n]{1,200})\](?: |$)/gm; // each line of a stream, see kernel/sessions/labels.py

// One notebook's tabs. The document stays as it is: a tab hides what other machines have given out.
export class MachineTabs {
  constructor(panel: NotebookPanel, comm: KernelComm) {
    this._panel = panel;
    this._comm = comm;
    void panel.context.ready.then(() => {
      panel.content.model?.cells.changed.connect(this._lookSoon, this);
      panel.content.model?.contentChanged.connect(this._lookSoon, this);
      comm.changed.connect(this._lookSoon, this);
      this._lookSoon();
    });
    panel.disposed.connect(() => window.clearTimeout(this._timer));
  }

  private _lookSoon(): void {
    this._timer ||= window.setTimeout(() => this._look(), SETTLE_MS);
  }

  private _look(): void {
    this._timer = 0;
    if (this._panel.isDisposed) {
      return;
    }
    const known = this._known();
    for (const cell of this._panel.content.widgets) {
      if (cell.model.type === 'code') {
        this._lookAt(cell as CodeCell, known);
      }
    }
  }

  // What the notebook calls its machines just now: what else stands in brackets is no machine.
  private _known(): Set<string> {
    const status = this._comm.status;
    const described = status === null ? [] : [status, ...status.others];
    return new Set([HERE, ...described.map(each => each.label || each.machine)]);
  }

  private _lookAt(cell: CodeCell, known: Set<string>): void {
    const outputs = cell.model.outputs;
    const tabs = this._tabs.get(cell);
    const machines = new Set<string>();
    for (let index = 0; index < outputs.length; index++) {
      const output = outputs.get(index);
      const named = machineOf(output);
      if (named !== undefined) {
        machines.add(named);
      }
      for (const [, label] of streamText(output).slice(0, LOOKED_AT).matchAll(LABELLED)) {
        if (known.has(label!)) {
          machines.add(label!);
        }
      }
    }
    const area = cell.outputArea;
    if (machines.size > 1 && area?.parent instanceof Panel) {
      const shown = tabs ?? new CellTabs(cell);
      this._tabs.set(cell, shown);
      shown.show([...machines].sort());
    } else if (tabs !== undefined) {
      tabs.dispose();
      this._tabs.delete(cell);
    }
  }

  private readonly _panel: NotebookPanel;
  private readonly _comm: KernelComm;
  private readonly _tabs = new WeakMap<CodeCell, CellTabs>();
  private _timer = 0;
}

// The tabs of one cell.
class CellTabs {
  constructor(cell: CodeCell) {
    this._cell = cell;
    const wrapper = cell.outputArea.parent as Panel;
    wrapper.insertWidget(wrapper.widgets.indexOf(cell.outputArea), this._bar);
    cell.disposed.connect(() => this._bar.dispose());
  }

  show(machines: string[]): void {
    if (machines.join('\n') !== this._machines.join('\n')) {
      this._machines = machines;
      this._chosen = machines.includes(this._chosen) ? this._chosen : '';
      this._bar.node.replaceChildren(...['', ...machines].map(machine => this._tab(machine)));
    }
    this._filter();
  }

  dispose(): void {
    this._chosen = '';
    this._filter();
    this._bar.dispose();
  }

  private _tab(machine: string): HTMLElement {
    const tab = button(machine || 'all', () => {
      this._chosen = machine;
      this._filter();
    });
    tab.dataset.machine = machine;
    return tab;
  }

  private _filter(): void {
    for (const tab of this._bar.node.querySelectorAll<HTMLElement>('button')) {
      tab.setAttribute('aria-pressed', String(tab.dataset.machine === this._chosen));
    }
    const area = this._cell.outputArea;
    area.widgets.forEach((child, index) => {
      const output = index < area.model.length ? area.model.get(index) : undefined;
      const machine = output && machineOf(output);
      const text = output ? streamText(output) : '';
      child.toggleClass(HIDDEN, this._chosen !== '' && machine !== undefined && machine !== this._chosen);
      this._filterText(child, output, text);
    });
  }

  // Puts the lines of the chosen machine beside the whole text, which is hidden meanwhile.
  private _filterText(child: Widget, output: IOutputModel | undefined, text: string): void {
    const before = this._twins.get(child);
    const lines = this._chosen && output ? linesOf(text, this._chosen, this._machines) : null;
    const shown = lines?.join('\n') ?? '';
    child.toggleClass('rk-mod-filtered', lines !== null);
    if (before !== undefined && (lines === null || before.text !== shown)) {
      before.widget.dispose();
      this._twins.delete(child);
    }
    if (lines === null || output === undefined || before?.text === shown || !(child instanceof Panel)) {
      return;
    }
    const mime = output.type === 'stream' ? streamMime(output) : '';
    const rendermime = this._cell.outputArea.rendermime;
    const widget = rendermime.createRenderer(mime);
    widget.addClass('rk-Twin');
    widget.addClass('jp-OutputArea-output');
    void widget.renderModel(rendermime.createModel({ data: { [mime]: shown } }));
    child.addWidget(widget);
    this._twins.set(child, { text: shown, widget });
  }

  private readonly _cell: CodeCell;
  private readonly _bar = new Widget({ node: element('div', 'rk-Tabs') });
  private readonly _twins = new Map<Widget, { text: string; widget: Widget }>();
  private _machines: string[] = [];
  private _chosen = '';
}

// The machine of a display or a result, by its metadata.
function machineOf(output: IOutputModel): string | undefined {
  const ours = output.metadata['rpyc_kernel'] as { machine?: unknown } | undefined;
  return typeof ours?.machine === 'string' ? ours.machine : undefined;
}

function streamText(output: IOutputModel): string {
  if (output.type !== 'stream') {
    return '';
  }
  const text = output.data[streamMime(output)];
  return typeof text === 'string' ? text : '';
}

function streamMime(output: IOutputModel): string {
  return Object.keys(output.data)[0] ?? '';
}

// The lines of one machine without its name; null where nothing in the text is of another one.
function linesOf(text: string, machine: string, machines: string[]): string[] | null {
  if (!text) {
    return null;
  }
  const found: string[] = [];
  let others = false;
  for (const line of text.replace(/\n$/, '').split('\n')) {
    const owner = machines.find(each => line === `[${each}]` || line.startsWith(`[${each}] `));
    if (owner === undefined) {
      found.push(line);
    } else if (owner === machine) {
      found.push(...(line === `[${machine}]` ? [] : [line.slice(machine.length + 3)]));
      others = true;
    } else {
      others = true;
    }
  }
  return others ? found : null;
}
