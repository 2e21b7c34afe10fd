// The sidebar: a card for each saved machine, with its sessions.
import type { JupyterFrontEnd } from '@jupyterlab/application';
import { ServerConnection } from '@jupyterlab/services';
import { LabIcon } from '@jupyterlab/ui-components';
import type { Message } from '@lumino/messaging';
import { Widget } from '@lumino/widgets';

import { takeOver, tell } from './actions';
import type { FrontNotebook } from './frontNotebook';
import { newNotebook } from './launch';
import type { Card, SessionEntry } from './messages';
import { button, element, milliseconds, sentence, sessionLine } from './text';

const REFRESH_MS = 30_000;
const ICON = new LabIcon({
  name: 'rpyc-kernel:machines',
  svgstr:
    '<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 24 24"><g class="jp-icon3" fill="#616161">' +
    '<path d="M3 4h18v7H3zm2 2v3h14V6zM3 13h18v7H3zm2 2v3h14v-3z"/><circle cx="8" cy="7.5" r="1"/><circle cx="8" cy="16.5" r="1"/>' +
    '</g></svg>'
});
const NONE = 'No machine is saved. In a terminal: rpyc-kernel hosts add NAME ADDRESS';

export class Sidebar extends Widget {
  constructor(app: JupyterFrontEnd, front: FrontNotebook) {
    super({ node: element('div', 'rk-Sidebar') });
    this._app = app;
    this._front = front;
    this.id = 'rpyc-kernel-machines';
    this.title.caption = 'Machines of Python (RPyC)';
    this.title.icon = ICON;
    const refresh = button('Refresh', () => void this._refresh());
    this.node.append(element('div', 'rk-Sidebar-head', 'Machines', [refresh]), this._said, this._cards);
  }

  protected override onAfterShow(message: Message): void {
    super.onAfterShow(message);
    void this._refresh();
    this._timer ??= window.setInterval(() => {
      if (this.isVisible && document.visibilityState === 'visible') {
        void this._refresh();
      }
    }, REFRESH_MS);
  }

  protected override onAfterHide(message: Message): void {
    super.onAfterHide(message);
    window.clearInterval(this._timer);
    this._timer = undefined;
  }

  private async _refresh(): Promise<void> {
    if (this._asking) {
      return;
    }
    this._asking = true;
    this._said.textContent = 'Asking the saved machines…';
    try {
      const cards = await this._ask();
      this._cards.replaceChildren(...cards.map(card => this._card(card)));
      this._said.textContent = cards.length ? '' : NONE;
    } catch (error) {
      this._said.textContent = sentence(error);
    } finally {
      this._asking = false;
    }
  }

  private async _ask(): Promise<Card[]> {
    const settings = this._app.serviceManager.serverSettings;
    const url = new URL('rpyc-kernel/hosts', settings.baseUrl).toString();
    const response = await ServerConnection.makeRequest(url, {}, settings);
    if (response.status === 404) {
      throw new Error('The Jupyter server has no extension of rpyc-kernel: jupyter server extension enable rpyc_kernel');
    }
    const found = (await response.json()) as { hosts?: Card[]; message?: string };
    if (!response.ok || found.hosts === undefined) {
      throw new Error(found.message || `The Jupyter server answered ${response.status}.`);
    }
    return found.hosts;
  }

  private _card(card: Card): HTMLElement {
    const state = card.reachable ? 'ready' : 'not reachable';
    const trip = card.round_trip === null ? '' : milliseconds(card.round_trip);
    const python = card.python ? `Python ${card.python}` : '';
    const line = [state, trip, python].filter(each => each).join(', ');
    const node = element('div', 'rk-Card', '', [
      element('div', 'rk-Card-name', card.name),
      element('div', 'rk-Card-text', card.address),
      element('div', 'rk-Card-state', line)
    ]);
    node.dataset.machine = card.name;
    node.dataset.state = state;
    if (card.error) {
      node.append(element('div', 'rk-Card-text', card.error));
    }
    if (card.reachable) {
      node.append(button('New notebook', () => void this._begin(card)));
    }
    node.append(...card.sessions.map(entry => this._session(card, entry)));
    return node;
  }

  private _session(card: Card, entry: SessionEntry): HTMLElement {
    const ours = entry.session === this._front.comm?.status?.id;
    const row = element('div', 'rk-Row', '', [
      element('span', 'rk-Row-name', entry.name),
      element('span', 'rk-Row-text', sessionLine({ ...entry, ours }))
    ]);
    row.dataset.session = entry.session;
    if (entry.answers && !ours) {
      row.append(button('Take over', () => void this._take(card, entry), 'In the notebook in front, or in a new one'));
    }
    return row;
  }

  private async _begin(card: Card): Promise<void> {
    try {
      await newNotebook(this._app, this._front, card.name);
    } catch (error) {
      await tell(card.name, error);
    }
    void this._refresh();
  }

  private async _take(card: Card, entry: SessionEntry): Promise<void> {
    try {
      const panel = this._front.comm === null ? null : this._front.panel;
      await takeOver(panel ?? (await newNotebook(this._app, this._front, card.name)), entry, card.name);
    } catch (error) {
      await tell(card.name, error);
    }
    void this._refresh();
  }

  private readonly _app: JupyterFrontEnd;
  private readonly _front: FrontNotebook;
  private readonly _said = element('div', 'rk-Sidebar-said');
  private readonly _cards = element('div', 'rk-Sidebar-cards');
  private _timer: number | undefined;
  private _asking = false;
}
