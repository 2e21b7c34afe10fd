// Elements and texts. Whatever a machine says goes through here, as text.

export function element(tag: string, className: string, text = ''): HTMLElement {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
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
