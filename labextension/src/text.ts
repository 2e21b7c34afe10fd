// Elements and texts. Whatever a machine says goes through here, as text.
import type { SessionEntry } from './messages';

export function element(tag: string, className: string, text = '', children: Node[] = []): HTMLElement {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  made.append(...children);
  return made;
}

export function button(text: string, act: () => void, title = ''): HTMLElement {
  const made = element('button', 'rk-Button', text);
  made.title = title;
  made.addEventListener('click', act);
  return made;
}

export function milliseconds(seconds: number): string {
  const ms = seconds * 1000;
  return ms < 10 ? `${ms.toFixed(1)} ms` : ms < 1000 ? `${ms.toFixed(0)} ms` : `${seconds.toFixed(1)} s`;
}

export function bytes(count: number): string {
  let rest = count;
  for (const unit of ['B', 'kB', 'MB']) {
    if (rest < 999.5) {
      return `${rest < 10 && unit !== 'B' ? rest.toFixed(1) : rest.toFixed(0)} ${unit}`;
    }
    rest /= 1000;
  }
  return `${rest.toFixed(1)} GB`;
}

// One line of a session: ready, busy or idle, what nobody has read, and who has it.
export function sessionLine(entry: SessionEntry): string {
  if (!entry.answers) {
    return 'does not answer';
  }
  const state = entry.busy ? 'busy' : entry.held ? 'idle' : 'ready';
  const unread = entry.unread && !entry.held ? `${entry.unread} unread message${entry.unread === 1 ? '' : 's'}` : '';
  const holder = entry.ours ? 'this notebook has it' : entry.held ? `held by ${entry.holder || 'somebody'}` : 'held by nobody';
  return [state, unread, holder].filter(each => each).join(', ');
}

export function sentence(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
