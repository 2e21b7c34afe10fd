// The comm to a kernel of ours: what the kernel tells of its connection, and what it is asked for.
import type { ISessionContext } from '@jupyterlab/apputils';
import type { Kernel, KernelMessage } from '@jupyterlab/services';
import { Signal, type ISignal } from '@lumino/signaling';

import type { Answer, Figures, Host, KernelEvent, PictureEvent, PlacesEvent, Reached, SessionEntry, Status } from './messages';

const RENEW_MS = 60_000; // the kernel takes a page for watched 90 s long
const ANSWER_TIMEOUT_MS = 120_000; // a board may need a minute to start a session
const AWAY_MS = 600_000; // without a movement or a key: nobody looks at the figures

let lastSeen = Date.now();
for (const kind of ['pointermove', 'keydown', 'wheel', 'focus']) {
  window.addEventListener(kind, () => (lastSeen = Date.now()), { capture: true, passive: true });
}

// What `kernel_info_reply` says beside Jupyter's own fields.
interface IOurInfo {
  rpyc_kernel?: { comm?: string };
}

// One notebook's or console's kernel. Where it isn't one of ours, `status` stays null.
export class KernelComm {
  constructor(context: ISessionContext) {
    this._context = context;
    context.kernelChanged.connect(this._renew, this);
    context.statusChanged.connect(this._onKernelStatus, this);
    context.connectionStatusChanged.connect(this._onConnection, this);
    context.disposed.connect(this.dispose, this);
    document.addEventListener('visibilitychange', this._watchSoon);
    this._timer = window.setInterval(this._watchSoon, RENEW_MS);
    void this._open();
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  // How the notebook is connected; null as long as the kernel hasn't told, and where it isn't one of ours.
  get status(): Status | null {
    return this._status;
  }

  // Whether the page reaches the kernel. Where it doesn't, what the kernel has told may be true no longer.
  get reached(): boolean {
    return this.kernel?.connectionStatus === 'connected';
  }

  get figures(): Figures | null {
    return this._figures;
  }

  // What the kernel tells of the pictures of `show`, and their bytes.
  get pictured(): ISignal<this, { event: PictureEvent | PlacesEvent; bytes: BlobPart | undefined }> {
    return this._pictured;
  }

  // The kernel can be told again what the page has: the connection to it was lost meanwhile.
  get connected(): ISignal<this, void> {
    return this._connected;
  }

  get kernel(): Kernel.IKernelConnection | null {
    return this._context.session?.kernel ?? null;
  }

  // Whether the notebook is in front: then the kernel tells the figures too.
  set inFront(value: boolean) {
    this._inFront = value;
    this._watch();
  }

  async sessions(machine = ''): Promise<{ machine: string; sessions: SessionEntry[] }> {
    return this._ask({ do: 'sessions', machine });
  }

  async hosts(): Promise<{ saved: Host[]; recent: string[] }> {
    return this._ask({ do: 'hosts' });
  }

  async connect(machine: string): Promise<Reached> {
    return this._ask({ do: 'connect', machine });
  }

  async use(machine: string): Promise<Reached> {
    return this._ask({ do: 'use', machine });
  }

  async reconnect(): Promise<Reached> {
    return this._ask({ do: 'reconnect' });
  }

  async restart(): Promise<Reached> {
    return this._ask({ do: 'restart' });
  }

  // Tells what becomes of pictures: `shown`, `gone` or `painted`.
  tellOfPictures(what: { do: string; displays: string[]; visible?: boolean; number?: number }): void {
    this._send(what);
  }

  dispose(): void {
    window.clearInterval(this._timer);
    document.removeEventListener('visibilitychange', this._watchSoon);
    this._drop();
    Signal.clearData(this);
  }

  // --- the comm

  private _renew(): void {
    this._drop();
    this._changed.emit();
    void this._open();
  }

  private _onKernelStatus(_context: ISessionContext, status: Kernel.Status): void {
    if (status === 'restarting' || status === 'autorestarting' || status === 'dead') {
      this._drop();
      this._changed.emit();
    } else if (status === 'idle' && this._comm === null) {
      void this._open();
    }
  }

  private _onConnection(_context: ISessionContext, status: Kernel.ConnectionStatus): void {
    if (status === 'connected') {
      void this._open();
      this._watch();
      this._connected.emit();
    } else {
      this._figures = null;
    }
    this._changed.emit();
  }

  private async _open(): Promise<void> {
    const kernel = this.kernel;
    if (kernel === null || this._comm !== null || this._opening === kernel || !kernel.handleComms) {
      return;
    }
    this._opening = kernel;
    try {
      const info = (await kernel.info) as unknown as IOurInfo;
      const target = info.rpyc_kernel?.comm;
      if (typeof target !== 'string' || kernel !== this.kernel || kernel.isDisposed || this._comm !== null) {
        return;
      }
      const comm = kernel.createComm(target);
      comm.onMsg = message => this._take(message);
      comm.onClose = () => {
        if (this._comm === comm) {
          this._comm = null; // the kernel has too many pages, or ends; the next look at this one opens another
        }
      };
      this._comm = comm;
      comm.open({});
      this._watch();
    } catch {
      // a kernel that ends meanwhile: the next one is another
    } finally {
      this._opening = null;
    }
  }

  private _drop(): void {
    const comm = this._comm;
    this._comm = null;
    this._status = this._figures = null;
    for (const waiting of this._waiting.values()) {
      waiting.reject(new Error('The kernel was restarted meanwhile.'));
    }
    this._waiting.clear();
    if (comm !== null && !comm.isDisposed && this.reached) {
      try {
        comm.close();
      } catch {
        // the kernel has ended
      }
    }
  }

  private readonly _watchSoon = (): void => this._watch();

  private _watch(): void {
    if (this._comm === null) {
      void this._open();
      return;
    }
    const looked = this._inFront && document.visibilityState === 'visible' && Date.now() - lastSeen < AWAY_MS;
    if (looked || this._watched) {
      this._watched = looked;
      this._send({ do: 'watch', watched: looked });
    }
  }

  private _send(data: { do: string; [name: string]: string | string[] | number | boolean }): boolean {
    if (this._comm === null || this._comm.isDisposed || !this.reached) {
      return false;
    }
    this._comm.send(data, undefined, undefined, true);
    return true;
  }

  private async _ask<T>(request: { do: string; [name: string]: string }): Promise<T> {
    const id = ++this._asked;
    const answer = new Promise<unknown>((resolve, reject) => {
      const timer = window.setTimeout(() => {
        this._waiting.delete(id);
        reject(new Error('The kernel has not answered. A cell that runs on this machine may hold it up.'));
      }, ANSWER_TIMEOUT_MS);
      this._waiting.set(id, {
        resolve: value => (window.clearTimeout(timer), resolve(value)),
        reject: error => (window.clearTimeout(timer), reject(error))
      });
    });
    if (!this._send({ ...request, id })) {
      this._waiting.get(id)?.reject(new Error('The page has no connection to the kernel just now.'));
      this._waiting.delete(id);
    }
    return answer as Promise<T>;
  }

  private _take(message: KernelMessage.ICommMsgMsg): void {
    const data = message.content.data as unknown as KernelEvent;
    if (data.event === 'status') {
      this._status = data.status;
      if (data.status.state !== 'connected') {
        this._figures = null;
      }
      this._changed.emit();
    } else if (data.event === 'figures') {
      this._figures = data.figures;
      this._changed.emit();
    } else if (data.event === 'answer') {
      this._answered(data);
    } else if (data.event === 'picture' || data.event === 'places') {
      this._pictured.emit({ event: data, bytes: message.buffers?.[0] as BlobPart | undefined });
    }
  }

  private _answered(answer: Answer): void {
    const waiting = this._waiting.get(answer.id);
    this._waiting.delete(answer.id);
    if (answer.error) {
      waiting?.reject(new Error(answer.error));
    } else {
      waiting?.resolve(answer.value);
    }
  }

  private readonly _context: ISessionContext;
  private readonly _changed = new Signal<this, void>(this);
  private readonly _connected = new Signal<this, void>(this);
  private readonly _pictured = new Signal<this, { event: PictureEvent | PlacesEvent; bytes: BlobPart | undefined }>(this);
  private readonly _waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();
  private readonly _timer: number;
  private _comm: Kernel.IComm | null = null;
  private _opening: Kernel.IKernelConnection | null = null;
  private _status: Status | null = null;
  private _figures: Figures | null = null;
  private _inFront = false;
  private _watched = false;
  private _asked = 0;
}
