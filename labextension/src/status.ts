// The status item: machine, state, round trip, processor and memory of the notebook in front.
import { Widget } from '@lumino/widgets';

import type { FrontNotebook } from './frontNotebook';
import type { Figures, Status } from './messages';
import { bytes, element, milliseconds } from './text';

const UNREACHED = 'no connection to the kernel'; // of the page: Jupyter's server may have ended

export class StatusItem extends Widget {
  constructor(front: FrontNotebook, onClick: (anchor: HTMLElement) => void) {
    super({ node: element('button', 'rk-Status') });
    this._front = front;
    this.node.append(this._state, this._machine, this._figures);
    this.node.addEventListener('click', () => onClick(this.node));
    front.changed.connect(this._show, this);
    this._show();
  }

  private _show(): void {
    const comm = this._front.comm;
    const status = comm?.status ?? null;
    this.setHidden(status === null);
    if (status !== null) {
      const state = comm?.reached ? status.state : UNREACHED;
      this.node.dataset.state = state;
      this._machine.textContent = machineName(status);
      this._state.textContent = state;
      const figures = comm?.figures ?? null;
      this._figures.textContent = figures === null ? '' : shortFigures(figures);
      this.node.title = longText(status, figures);
    }
  }

  private readonly _front: FrontNotebook;
  private readonly _machine = element('span', 'rk-Status-machine');
  private readonly _state = element('span', 'rk-Status-state');
  private readonly _figures = element('span', 'rk-Status-figures');
}

// The machine as cells call it, with its address where that is another.
export function machineName(status: Status): string {
  const { label, machine } = status;
  return label && label !== machine ? `${label} (${machine})` : machine;
}

function shortFigures(figures: Figures): string {
  const parts = [milliseconds(figures.round_trip)];
  if (figures.host_cpu_percent !== null) {
    parts.push(`CPU ${figures.host_cpu_percent.toFixed(0)} %`);
  }
  if (figures.host_virtual_memory.percent !== null) {
    parts.push(`memory ${figures.host_virtual_memory.percent.toFixed(0)} %`);
  }
  return parts.join(' · ');
}

export function longText(status: Status, figures: Figures | null): string {
  const lines = [status.description ?? '', status.detail];
  if (figures !== null) {
    lines.push(`round trip ${milliseconds(figures.round_trip)}`);
    const cpu = figures.kernel_cpu === null ? '' : `${figures.kernel_cpu.toFixed(0)} % of a processor`;
    const memory = figures.kernel_memory === null ? '' : bytes(figures.kernel_memory);
    const session = [cpu, memory].filter(each => each).join(', ');
    lines.push(session ? `this notebook's Python there: ${session}` : '');
    const { total, available } = figures.host_virtual_memory;
    lines.push(total !== null && available !== null ? `free memory there: ${bytes(available)} of ${bytes(total)}` : '');
  }
  return lines.filter(line => line).join('\n');
}
