// What a click on the status item opens: the sessions of the machine, the known machines, and what can be done.
import type { CommandRegistry } from '@lumino/commands';

import { restartThere, takeOver } from './actions';
import type { FrontNotebook } from './frontNotebook';
import type { KernelComm } from './kernelComm';
import type { Described, Host, SessionEntry, State } from './messages';
import { longText, machineName } from './status';
import { button, element, sentence, sessionLine } from './text';

const LOST: ReadonlySet<State> = new Set<State>(['reconnecting', 'session ended', 'taken over']);

export class Popup {
  constructor(front: FrontNotebook, commands: CommandRegistry) {
    this._front = front;
    this._commands = commands;
    this._node.append(this._head, this._buttons, this._said, this._others, this._sessions, this._machines);
    this._said.setAttribute('role', 'status');
  }

  // Opens it beside the element, or closes it.
  toggle(anchor: HTMLElement): void {
    if (this._node.isConnected) {
      this.close();
      return;
    }
    document.body.append(this._node);
    const place = anchor.getBoundingClientRect();
    const above = place.top > window.innerHeight / 2;
    this._node.style.left = `${Math.max(4, Math.min(place.left, window.innerWidth - 420))}px`;
    this._node.style.top = above ? '' : `${place.bottom + 4}px`;
    this._node.style.bottom = above ? `${window.innerHeight - place.top + 4}px` : '';
    document.addEventListener('pointerdown', this._onPointer, true);
    document.addEventListener('keydown', this._onKey, true);
    this._front.changed.connect(this._show, this);
    this._say('');
    this._listed = null;
    this._show();
  }

  close(): void {
    this._node.remove();
    document.removeEventListener('pointerdown', this._onPointer, true);
    document.removeEventListener('keydown', this._onKey, true);
    this._front.changed.disconnect(this._show, this);
  }

  private readonly _onPointer = (event: Event): void => {
    const target = event.target as Element;
    if (!this._node.contains(target) && target.closest('.rk-Status, .jp-Dialog') === null) {
      this.close();
    }
  };

  private readonly _onKey = (event: KeyboardEvent): void => {
    if (event.key === 'Escape') {
      this.close();
    }
  };

  private _show(): void {
    const comm = this._front.comm;
    const status = comm?.status;
    if (!comm || !status) {
      this.close();
      return;
    }
    const title = [machineName(status), status.state].filter(each => each).join(': ');
    this._head.replaceChildren(
      element('div', 'rk-Popup-title', title),
      element('div', 'rk-Popup-text', longText(status, comm.figures))
    );
    if (this._listed !== comm) {
      void this._list();
    }
    const others = status.others.map(each => `${each.label}: ${each.state}`).join();
    if (this._shownOthers !== others || this._offered?.comm !== comm) {
      this._shownOthers = others;
      const heading = element('div', 'rk-Popup-heading', 'Other machines of this notebook');
      this._others.replaceChildren(...(others ? [heading] : []), ...status.others.map(each => this._other(comm, each)));
    }
    if (this._offered?.comm !== comm || this._offered.state !== status.state) {
      const wasLost = this._offered?.comm === comm && LOST.has(this._offered.state);
      this._offered = { comm, state: status.state }; // not with each figure: a click needs its button until the end
      this._offer(comm, status.state);
      if (wasLost && status.state === 'connected') {
        void this._list(); // while the link was lost, nobody could tell the sessions
      }
    }
  }

  private _offer(comm: KernelComm, state: State): void {
    const buttons = [
      button('Interrupt', () => void this._do(comm, 'Interrupting', () => comm.kernel?.interrupt()), 'As the stop button'),
      button('Restart the kernel', () => void this._commands.execute('notebook:restart-kernel'), 'And begin a new session')
    ];
    if (state === 'connected' || state === 'worker died') {
      const title = 'The session and the connection stay; the variables are lost';
      buttons.splice(1, 0, button('Restart the Python there', () => void this._do(comm, 'Restarting', () => restartThere(comm)), title));
    }
    if (LOST.has(state)) {
      const text = state === 'reconnecting' ? 'Reconnect now' : 'Begin a new session';
      buttons.unshift(button(text, () => void this._do(comm, 'Connecting', () => comm.reconnect())));
    }
    this._buttons.replaceChildren(...buttons);
  }

  private async _do(comm: KernelComm, doing: string, act: () => Promise<unknown> | undefined): Promise<void> {
    this._say(`${doing}…`);
    try {
      const value = (await act()) as { warnings?: string[] } | null | undefined;
      this._say(value?.warnings?.join('\n') ?? '');
    } catch (error) {
      this._say(sentence(error));
    }
    if (this._node.isConnected && comm === this._front.comm) {
      void this._list();
    }
  }

  private _say(text: string): void {
    this._said.textContent = text;
  }

  private async _list(): Promise<void> {
    const comm = this._front.comm;
    if (comm === null) {
      return;
    }
    this._listed = comm;
    this._listSessions(comm);
    try {
      const { saved, recent } = await comm.hosts();
      const addresses = new Set(saved.map(each => each.machine));
      const unsaved = recent.filter(each => !addresses.has(each)).map(each => ({ name: each, machine: '' }));
      const rows = [...saved, ...unsaved].map(host => this._machine(comm, host));
      const heading = element('div', 'rk-Popup-heading', rows.length ? 'Run the next cells on' : '');
      this._machines.replaceChildren(heading, ...rows);
    } catch (error) {
      this._machines.replaceChildren(element('div', 'rk-Popup-text', sentence(error)));
    }
  }

  // What was listed stays until there is an answer, which is shown if nothing was asked since.
  private _listSessions(comm: KernelComm): void {
    const asked = ++this._asked;
    const show = (...rows: HTMLElement[]): void => {
      if (asked === this._asked && comm.status !== null) {
        const heading = element('div', 'rk-Popup-heading', `Sessions on ${machineName(comm.status)}`);
        this._sessions.replaceChildren(...(comm.status.machine ? [heading, ...rows] : []));
      }
    };
    if (this._sessionsOf !== comm || !comm.status?.machine) {
      show(element('div', 'rk-Popup-text', 'Asking…'));
    }
    this._sessionsOf = comm;
    if (comm.status?.machine) {
      void comm.sessions().then(
        found => show(...found.sessions.map(entry => this._session(entry, found.sessions))),
        error => show(element('div', 'rk-Popup-text', sentence(error)))
      );
    }
  }

  // One of the notebook's machines, on which cells run that name it.
  private _other(comm: KernelComm, other: Described): HTMLElement {
    const name = other.label || other.machine;
    const text = [element('span', 'rk-Row-name', name), element('span', 'rk-Row-text', other.state)];
    const row = element('div', 'rk-Row', '', text);
    row.dataset.label = name;
    const use = (): void => void this._do(comm, `Using ${name}`, () => comm.use(name));
    row.append(button('Use', use, 'Have the next cells run there; as %use does'));
    return row;
  }

  private _session(entry: SessionEntry, all: SessionEntry[]): HTMLElement {
    const text = [element('span', 'rk-Row-name', entry.name), element('span', 'rk-Row-text', sessionLine(entry))];
    const row = element('div', 'rk-Row', '', text);
    row.dataset.session = entry.session;
    const panel = this._front.panel;
    if (!entry.ours && entry.answers && panel !== null) {
      const take = (): void => (this.close(), void takeOver(panel, entry, all));
      row.append(button('Take over', take, 'In a cell of its own, which shows what it gave out meanwhile'));
    }
    return row;
  }

  private _machine(comm: KernelComm, host: Host): HTMLElement {
    const text = [element('span', 'rk-Row-name', host.name), element('span', 'rk-Row-text', host.machine)];
    const row = element('div', 'rk-Row', '', text);
    row.dataset.machine = host.name;
    row.append(button('Connect', () => void this._do(comm, `Connecting to ${host.name}`, () => comm.connect(host.name))));
    return row;
  }

  private readonly _front: FrontNotebook;
  private readonly _commands: CommandRegistry;
  private _offered: { comm: KernelComm; state: State } | null = null;
  private readonly _node = element('div', 'rk-Popup');
  private readonly _head = element('div', 'rk-Popup-head');
  private readonly _buttons = element('div', 'rk-Popup-buttons');
  private readonly _said = element('div', 'rk-Popup-said');
  private _listed: KernelComm | null = null;
  private _sessionsOf: KernelComm | null = null; // whose sessions are shown
  private _asked = 0;
  private _shownOthers = '';
  private readonly _others = element('div', 'rk-Popup-others');
  private readonly _sessions = element('div', 'rk-Popup-sessions');
  private readonly _machines = element('div', 'rk-Popup-machines');
}
