// What a click does to a notebook and its session.
import { Dialog, showDialog, showErrorMessage } from '@jupyterlab/apputils';
import { NotebookActions, type NotebookPanel } from '@jupyterlab/notebook';

import type { KernelComm } from './kernelComm';
import type { Reached, SessionEntry } from './messages';
import { sentence } from './text';

const PLAIN_NAME = /^[A-Za-z][A-Za-z0-9._-]*$/; // of a session or a machine, as it can stand in a command

// Takes a session over in a cell of its own, which shows what the session gave out meanwhile. `all`: those of its machine.
export async function takeOver(panel: NotebookPanel, entry: SessionEntry, all: SessionEntry[], machine = ''): Promise<void> {
  const isMeant = PLAIN_NAME.test(entry.name) && all.filter(each => each.name === entry.name).length === 1;
  const words = ['%attach', isMeant ? entry.name : entry.session, machine];
  const notebook = panel.content;
  const last = notebook.widgets.length - 1;
  notebook.activeCellIndex = last;
  if (notebook.activeCell?.model.sharedModel.getSource().trim()) {
    NotebookActions.insertBelow(notebook);
  }
  notebook.activeCell?.model.sharedModel.setSource(words.join(' ').trim());
  await NotebookActions.runAndAdvance(notebook, panel.sessionContext);
}

// Begins a fresh Python there, if the user means it: its variables are lost.
export async function restartThere(comm: KernelComm): Promise<Reached | null> {
  const machine = comm.status?.machine ?? '';
  const asked = await showDialog({
    title: 'Restart the Python there?',
    body: `The Python on ${machine} ends, and all its variables are lost. The connection stays.`,
    buttons: [Dialog.cancelButton(), Dialog.warnButton({ label: 'Restart' })]
  });
  return asked.button.accept ? comm.restart() : null;
}

// Shows why something could not be done, where there is no better place for it.
export async function tell(title: string, error: unknown): Promise<void> {
  await showErrorMessage(title, sentence(error));
}

export async function tellWarnings(reached: Reached | null): Promise<void> {
  if (reached?.warnings.length) {
    await showDialog({ title: reached.machine, body: reached.warnings.join('\n'), buttons: [Dialog.okButton()] });
  }
}
