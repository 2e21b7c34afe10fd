// Begins a notebook on a machine: with the kernel of that machine's own tile, or with the plain one, which is told.
import type { JupyterFrontEnd } from '@jupyterlab/application';
import { NotebookPanel } from '@jupyterlab/notebook';
import type { KernelSpec } from '@jupyterlab/services';

import type { FrontNotebook } from './frontNotebook';

const OPTION = '--RpycKernel.address=';
const NOT_ASKED = '{rpyc_machine}'; // as a front end leaves it that has asked for no machine

// The name of the kernel that runs anywhere, and of each that runs on one machine.
function kernels(specs: KernelSpec.ISpecModels | null): { plain: string | null; tiles: Map<string, string> } {
  const tiles = new Map<string, string>();
  let plain: string | null = null;
  for (const [name, spec] of Object.entries(specs?.kernelspecs ?? {})) {
    const argv = spec?.argv ?? [];
    if (argv.includes('rpyc_kernel')) {
      const machine = argv.find(each => each.startsWith(OPTION))?.slice(OPTION.length) ?? '';
      if (machine === '' || machine === NOT_ASKED) {
        plain = plain === null || name === 'rpyc' ? name : plain;
      } else {
        tiles.set(machine, name);
      }
    }
  }
  return { plain, tiles };
}

export async function newNotebook(app: JupyterFrontEnd, front: FrontNotebook, machine: string): Promise<NotebookPanel> {
  const { plain, tiles } = kernels(app.serviceManager.kernelspecs.specs);
  const kernelName = tiles.get(machine) ?? plain;
  if (kernelName === null) {
    throw new Error('The kernel "Python (RPyC)" is not in this Jupyter; rpyc-kernel install adds it.');
  }
  const panel: unknown = await app.commands.execute('notebook:create-new', { kernelName });
  if (!(panel instanceof NotebookPanel)) {
    throw new Error('This application has begun the notebook elsewhere: choose the machine there.');
  }
  const comm = await front.started(panel);
  if (!tiles.has(machine)) {
    await comm.connect(machine);
  }
  return panel;
}
