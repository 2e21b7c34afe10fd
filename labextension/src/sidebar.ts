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
    this._button.addEventListener('click', () => void this._refresh());
    this.node.append(element('div', 'rk-Sidebar-head', 'Machines', [this._button]), this._said, this._cards);
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
    this._asking = this._button.disabled = true; // which says enough where there are cards: a line would move them
    if (!this._cards.childElementCount && !this._said.textContent) {
      this._said.textContent = 'Asking the saved machines…';
    }
    try {
      const cards = await this._ask();
      this._show(cards);
      this._said.textContent = cards.length ? '' : NONE;
    } catch (error) {
      this._said.textContent = sentence(error);
    } finally {
      this._asking = this._button.disabled = false;
    }
  }

  // A card stays as long as it shows the same but for the round trip: a click needs its button until the end.
  private _show(cards: Card[]): void {
    const ours = this._front.comm?.status?.id;
    const shown = new Map<string, HTMLElement>();
    for (const card of cards) {
      const rows = card.sessions.map(each => [each.session, each.name, sessionLine(each)]);
      const key = JSON.stringify([card.name, card.address, card.reachable, card.error, rows, ours]);
      const node = this._shown.get(key) ?? this._card(card);
      node.querySelector('.rk-Card-state')!.textContent = stateLine(card);
      shown.set(key, node);
    }
    const nodes = [...shown.values()];
    if (nodes.length !== this._cards.childElementCount || nodes.some((node, index) => node !== this._cards.children[index])) {
      this._cards.replaceChildren(...nodes);
    }
    this._shown = shown;
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
    const node = element('div', 'rk-Card', '', [
      element('div', 'rk-Card-name', card.name),
      element('div', 'rk-Card-text', card.address),
      element('div', 'rk-Card-state')
    ]);
    node.dataset.machine = card.name;
    node.dataset.state = stateOf(card);
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
      await takeOver(panel ?? (await newNotebook(this._app, this._front, card.name)), entry, card.sessions, card.name);
    } catch (error) {
      await tell(card.name, error);
    }
    void this._refresh();
  }

  private readonly _app: JupyterFrontEnd;
  private readonly _front: FrontNotebook;
  private readonly _button = element('button', 'rk-Button', 'Refresh') as HTMLButtonElement;
  private readonly _said = element('div', 'rk-Sidebar-said');
  private readonly _cards = element('div', 'rk-Sidebar-cards');
  private _timer: number | undefined;
  private _asking = false;
  private _shown: ReadonlyMap<string, HTMLElement> = new Map(); // the cards, by what they tell
}

function stateOf(card: Card): string {
  return card.reachable ? 'ready' : 'not reachable';
}

function stateLine(card: Card): string {
  const trip = card.round_trip === null ? '' : milliseconds(card.round_trip);
  const python = card.python ? `Python ${card.python}` : '';
  return [stateOf(card), trip, python].filter(each => each).join(', ');
}
