// The plugins of the extension. Without any of them a notebook works as ever.
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { INotebookTracker, type NotebookPanel } from '@jupyterlab/notebook';
import { IStatusBar } from '@jupyterlab/statusbar';

import { askForMachine } from './ask';
import { FrontNotebook } from './frontNotebook';
import { MachineTabs } from './machineTabs';
import { LivePictures } from './pictures';
import { Popup } from './popup';
import { Sidebar } from './sidebar';
import { StatusItem } from './status';
import style from './style.css';

const STATUS_RANK = 1; // beside the kernel's own item
const MENU_RANK = 10_005; // in Notebook 7, which has no status bar: before the kernel's own indicator
const SIDEBAR_RANK = 850; // below what every notebook needs

let shared: FrontNotebook | null = null;

// Both plugins need it, and either may be disabled.
function frontNotebook(tracker: INotebookTracker): FrontNotebook {
  if (shared === null) {
    shared = new FrontNotebook(tracker);
    const sheet = document.createElement('style');
    sheet.textContent = style;
    document.head.append(sheet);
  }
  return shared;
}

const status: JupyterFrontEndPlugin<void> = {
  id: 'rpyc-kernel:status',
  description: 'Shows the machine of the notebook in front, and how it is connected.',
  autoStart: true,
  requires: [INotebookTracker],
  optional: [IStatusBar],
  activate: (app: JupyterFrontEnd, tracker: INotebookTracker, statusBar: IStatusBar | null): void => {
    const front = frontNotebook(tracker);
    const popup = new Popup(front, app.commands);
    const item = new StatusItem(front, anchor => popup.toggle(anchor));
    item.id = 'rpyc-kernel-status';
    if (statusBar !== null) {
      statusBar.registerStatusItem('rpyc-kernel:status', { item, align: 'left', rank: STATUS_RANK });
    } else {
      app.shell.add(item, 'menu', { rank: MENU_RANK });
    }
  }
};

const machines: JupyterFrontEndPlugin<void> = {
  id: 'rpyc-kernel:machines',
  description: 'Shows the saved machines and their sessions in the sidebar.',
  autoStart: true,
  requires: [INotebookTracker],
  activate: (app: JupyterFrontEnd, tracker: INotebookTracker): void => {
    app.shell.add(new Sidebar(app, frontNotebook(tracker)), 'left', { rank: SIDEBAR_RANK });
  }
};

const ask: JupyterFrontEndPlugin<void> = {
  id: 'rpyc-kernel:ask',
  description: 'Asks on which machine the cells of a new notebook run.',
  autoStart: true,
  requires: [INotebookTracker],
  activate: (_app: JupyterFrontEnd, tracker: INotebookTracker): void => {
    const front = frontNotebook(tracker);
    tracker.forEach(panel => void askForMachine(front, panel));
    tracker.widgetAdded.connect((_tracker, panel) => void askForMachine(front, panel));
  }
};

const pictures: JupyterFrontEndPlugin<void> = {
  id: 'rpyc-kernel:pictures',
  description: 'Paints the pictures of show() without putting each into the notebook.',
  autoStart: true,
  requires: [INotebookTracker],
  activate: (_app: JupyterFrontEnd, tracker: INotebookTracker): void => {
    const front = frontNotebook(tracker);
    const paint = (panel: NotebookPanel): LivePictures => new LivePictures(panel, front.commOf(panel));
    tracker.forEach(paint);
    tracker.widgetAdded.connect((_tracker, panel) => void paint(panel));
  }
};

const tabs: JupyterFrontEndPlugin<void> = {
  id: 'rpyc-kernel:tabs',
  description: 'Shows the output of a cell that has run on several machines by machine, too.',
  autoStart: true,
  requires: [INotebookTracker],
  activate: (_app: JupyterFrontEnd, tracker: INotebookTracker): void => {
    const front = frontNotebook(tracker);
    const add = (panel: NotebookPanel): MachineTabs => new MachineTabs(panel, front.commOf(panel));
    tracker.forEach(add);
    tracker.widgetAdded.connect((_tracker, panel) => void add(panel));
  }
};

export default [status, machines, ask, pictures, tabs];
