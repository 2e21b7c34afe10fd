// Paints the pictures of `show` that come around the notebook's document, in the places that the document has for them.
import type { CodeCell, ICodeCellModel } from '@jupyterlab/cells';
import type { NotebookPanel } from '@jupyterlab/notebook';
import { MessageLoop, type Message } from '@lumino/messaging';

import type { KernelComm } from './kernelComm';
import type { PictureEvent, PlacesEvent } from './messages';

const LOOK_AGAIN_MS = 500; // for a place that isn't there yet
const LATE_MS = 50; // that a picture may wait for its frame, while a newer one is there
const FRAME_MS = 100; // a page that shows no frame for so long isn't waited for
const MIMES = ['image/jpeg', 'image/png'];

// A picture that has come.
interface Frame {
  event: PictureEvent;
  bytes: BlobPart;
  images: HTMLImageElement[]; // of the document when it came: one that the document shows later is newer
  at: number; // when
}

// A display with a place among the outputs.
interface Place {
  painting: boolean;
  waiting: Frame[]; // the newest that weren't painted: two may come within one frame of the page, and both are seen
  seen: Promise<void>; // fulfilled when the page has shown what was painted last
  owed: number; // of which picture the kernel wants to hear; 0 for none
}

// One notebook's pictures. Newer ones take the place of older ones; the document stays as it is.
export class LivePictures {
  constructor(panel: NotebookPanel, comm: KernelComm) {
    this._panel = panel;
    this._comm = comm;
    comm.pictured.connect((_comm, { event, bytes }) => this._take(event, bytes));
    comm.connected.connect(() => this._tell([...this._places.keys()]));
    document.addEventListener('visibilitychange', this._look);
    MessageLoop.installMessageHook(panel, (_panel, message) => this._hook(message));
    panel.disposed.connect(() => this._dispose());
  }

  private get _visible(): boolean {
    return document.visibilityState === 'visible' && this._panel.isVisible;
  }

  private _take(event: PictureEvent | PlacesEvent, bytes: BlobPart | undefined): void {
    if (event.event === 'places') {
      const missing = this._claim(event.displays);
      if (missing.length) {
        window.setTimeout(() => this._claim(missing), LOOK_AGAIN_MS);
      }
    } else if (bytes !== undefined && MIMES.includes(event.mime)) {
      const place = this._place(event.display);
      place.waiting.push({ event, bytes, images: this._images(event.display), at: performance.now() });
      place.waiting.splice(0, place.waiting.length - 2);
      place.owed = event.asks ? event.number : place.owed;
      if (!place.painting) {
        void this._paint(event.display, place);
      }
    }
  }

  // Says which of the displays have a place here; returns the others.
  private _claim(displays: string[]): string[] {
    const found = displays.filter(display => this._hasOutput(display));
    found.forEach(display => this._place(display));
    this._tell(found);
    return displays.filter(display => !found.includes(display));
  }

  private _place(display: string): Place {
    let place = this._places.get(display);
    if (place === undefined) {
      place = { painting: false, waiting: [], seen: Promise.resolve(), owed: 0 };
      this._places.set(display, place);
    }
    return place;
  }

  // --- painting

  private async _paint(display: string, place: Place): Promise<void> {
    place.painting = true;
    while (place.waiting.length && this._places.get(display) === place) {
      let frame = place.waiting.shift()!;
      if (place.waiting.length && performance.now() - frame.at > LATE_MS) {
        frame = place.waiting.shift()!;
      }
      const { event, images } = frame;
      if (!images.length && !this._hasOutput(display)) {
        this._places.delete(display); // its cell was cleared, or is gone
        this._comm.tellOfPictures({ do: 'gone', displays: [display] });
        break;
      }
      if (images.length) {
        await this._paintIn(display, place, frame);
      }
      if (place.owed && event.number >= place.owed) {
        this._comm.tellOfPictures({ do: 'painted', displays: [display], number: place.owed });
        place.owed = 0;
      }
    }
    place.painting = false;
  }

  // Decodes a picture beside the page's thread, and draws it in front of the document's.
  private async _paintIn(display: string, place: Place, { event, bytes, images }: Frame): Promise<void> {
    const bitmap = await createImageBitmap(new Blob([bytes], { type: event.mime })).catch(() => null);
    if (bitmap === null) {
      return; // no picture, whatever the machine has sent
    }
    await place.seen;
    for (const image of this._images(display)) {
      if (images.includes(image)) {
        draw(bitmap, canvasOf(image), event);
      } // else the document has shown a newer one meanwhile
    }
    bitmap.close();
    place.seen = frameShown();
  }

  private _images(display: string): HTMLImageElement[] {
    const found: HTMLImageElement[] = [];
    this._eachOutput(display, (cell, index) => {
      const image = cell?.outputArea?.widgets[index]?.node.querySelector<HTMLImageElement>('.jp-OutputArea-output img');
      if (image) {
        found.push(image);
      }
    });
    return found;
  }

  // --- the places among the outputs

  private _hasOutput(display: string): boolean {
    let found = false;
    this._eachOutput(display, () => (found = true));
    return found;
  }

  private _eachOutput(display: string, act: (cell: CodeCell | undefined, index: number) => void): void {
    const cells = this._panel.content.model?.cells;
    for (let position = 0; position < (cells?.length ?? 0); position++) {
      const model = cells!.get(position);
      if (model.type !== 'code') {
        continue;
      }
      const outputs = (model as ICodeCellModel).outputs;
      for (let index = 0; index < outputs.length; index++) {
        const ours = outputs.get(index).metadata['rpyc_kernel'] as { show?: unknown } | undefined;
        if (ours?.show === display) {
          act(this._panel.content.widgets[position] as CodeCell | undefined, index);
        }
      }
    }
  }

  // --- who looks

  private readonly _look = (): void => {
    if (this._visible !== this._told) {
      this._tell([...this._places.keys()]);
    }
  };

  private _tell(displays: string[]): void {
    this._told = this._visible;
    if (displays.length) {
      this._comm.tellOfPictures({ do: 'shown', displays, visible: this._told });
    }
  }

  private _hook(message: Message): boolean {
    if (message.type === 'after-show' || message.type === 'before-hide' || message.type === 'after-hide') {
      window.setTimeout(this._look); // once the message was handled
    }
    return true;
  }

  private _dispose(): void {
    document.removeEventListener('visibilitychange', this._look);
    this._places.clear();
  }

  private readonly _panel: NotebookPanel;
  private readonly _comm: KernelComm;
  private readonly _places = new Map<string, Place>();
  private _told = true;
}

// Once the page has shown its next frame.
function frameShown(): Promise<void> {
  return new Promise(resolve => {
    requestAnimationFrame(() => window.setTimeout(resolve)); // a task that comes after the frame
    window.setTimeout(resolve, FRAME_MS);
  });
}

// The canvas that stands in front of an image of the document, until the document draws that anew.
function canvasOf(image: HTMLImageElement): HTMLCanvasElement {
  const next = image.nextElementSibling;
  if (next instanceof HTMLCanvasElement) {
    return next;
  }
  const made = document.createElement('canvas');
  made.className = 'rk-Live';
  made.setAttribute('role', 'img');
  made.setAttribute('aria-label', image.alt);
  image.after(made);
  return made;
}

function draw(bitmap: ImageBitmap, canvas: HTMLCanvasElement, event: PictureEvent): void {
  for (const side of ['width', 'height'] as const) {
    if (canvas[side] !== bitmap[side]) {
      canvas[side] = bitmap[side];
    }
    canvas.style[side] = side === 'width' && event.width ? `${event.width}px` : '';
  }
  canvas.getContext('2d')?.drawImage(bitmap, 0, 0);
}
