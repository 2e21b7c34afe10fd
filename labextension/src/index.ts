// The plugins of the extension. Each works where the others don't, and without any of them a notebook works as ever.
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { INotebookTracker } from '@jupyterlab/notebook';
import { IStatusBar } from '@jupyterlab/statusbar';

import { FrontNotebook } from './frontNotebook';
import { StatusItem } from './status';
import style from './style.css';

const STATUS_RANK = 1; // beside the kernel's own item
const MENU_RANK = 10_005; // in Notebook 7, which has no status bar: before the kernel's own indicator

const status: JupyterFrontEndPlugin<void> = {
  id: 'rpyc-kernel:status',
  description: 'Shows the machine of the notebook in front, and how it is connected.',
  autoStart: true,
  requires: [INotebookTracker],
  optional: [IStatusBar],
  activate: (app: JupyterFrontEnd, tracker: INotebookTracker, statusBar: IStatusBar | null): void => {
    const sheet = document.createElement('style');
    sheet.textContent = style;
    document.head.append(sheet);
    const front = new FrontNotebook(tracker);
    const item = new StatusItem(front, () => undefined);
    item.id = 'rpyc-kernel-status';
    if (statusBar !== null) {
      statusBar.registerStatusItem('rpyc-kernel:status', { item, align: 'left', rank: STATUS_RANK });
    } else {
      app.shell.add(item, 'menu', { rank: MENU_RANK });
    }
  }
};

export default [status];
