// Asks a new notebook's user on which machine its cells run: a line above the first cell, which goes by itself.
import type { NotebookPanel } from '@jupyterlab/notebook';
import { Widget } from '@lumino/widgets';

import { tell, tellWarnings } from './actions';
import type { FrontNotebook } from './frontNotebook';
import type { Host } from './messages';
import { button, element } from './text';

const MAX_MACHINES = 12;

// Asks where a notebook is new: nothing is written in it, no cell has run, and no machine was named.
export async function askForMachine(front: FrontNotebook, panel: NotebookPanel): Promise<void> {
  const comm = front.commOf(panel);
  let asking: Widget | null = null;
  const end = (): void => {
    asking?.dispose();
    asking = null;
  };
  const isNew = (): boolean =>
    comm.status?.fresh === true && comm.status.state === 'not connected' && isEmpty(panel) && !panel.isDisposed;
  let hosts: Host[] | null = null;
  const show = async (): Promise<void> => {
    if (!isNew()) {
      end();
      return;
    }
    if (hosts === null) {
      hosts = []; // asked once
      hosts = (await comm.hosts()).saved.slice(0, MAX_MACHINES);
      if (hosts.length && asking === null && isNew()) {
        asking = question(hosts, name => {
          end();
          void comm.connect(name).then(tellWarnings, error => tell(name, error));
        });
        panel.contentHeader.addWidget(asking);
      }
    }
  };
  comm.changed.connect(() => void show().catch(() => undefined));
  await panel.revealed;
  panel.content.model?.contentChanged.connect(() => void show().catch(() => undefined));
  await show().catch(() => undefined);
}

function isEmpty(panel: NotebookPanel): boolean {
  const cells = panel.content.model?.cells;
  return cells !== undefined && [...cells].every(cell => cell.sharedModel.getSource().trim() === '');
}

function question(hosts: Host[], choose: (name: string) => void): Widget {
  const buttons = hosts.map(host => button(host.name, () => choose(host.name), host.machine));
  const asking = new Widget({ node: element('div', 'rk-Ask', 'Which machine?', buttons) });
  asking.node.append(button('Later', () => asking.dispose(), 'A cell can name one: %connect ADDRESS'));
  return asking;
}
