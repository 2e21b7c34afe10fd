// What a kernel of ours and the Jupyter server's extension tell (src/rpyc_kernel/kernel/page/, src/rpyc_kernel/jupyter_server/).
// All texts in it are texts, never HTML.

export type State =
  | 'not connected'
  | 'connects with the next cell'
  | 'connecting'
  | 'connected'
  | 'reconnecting'
  | 'taken over'
  | 'session ended'
  | 'worker died';

export interface Described {
  machine: string;
  label?: string; // what the notebook calls it
  session?: string;
  id?: string;
  description?: string;
  state: State;
}

export interface Status extends Described {
  detail: string;
  fresh: boolean; // no cell has run, and no machine was named
  others: Described[];
}

// The content of a `usage_reply`, and the seconds of a round trip.
export interface Figures {
  round_trip: number;
  hostname: string;
  kernel_cpu: number | null;
  kernel_memory: number | null;
  host_cpu_percent: number | null;
  host_virtual_memory: { percent: number | null; total: number | null; available: number | null };
}

export interface SessionEntry {
  session: string;
  name: string;
  answers: boolean;
  busy: boolean;
  held: boolean;
  holder: string;
  unread: number;
  ours?: boolean;
}

export interface Host {
  name: string;
  machine: string;
}

// A saved machine, as it is now.
export interface Card {
  name: string;
  address: string;
  error: string;
  reachable: boolean;
  round_trip: number | null;
  python: string;
  sessions: SessionEntry[];
}

export interface Reached {
  machine: string;
  warnings: string[];
}

export interface Answer {
  event: 'answer';
  id: number;
  value: unknown;
  error: string;
}

// A picture of `show`, whose bytes stand beside the message.
export interface PictureEvent {
  event: 'picture';
  display: string;
  number: number; // a newer one has a greater number
  asks: boolean; // the kernel wants to hear when this one or a newer one was painted
  mime: string;
  width: number; // 0: as many pixels as it has
  height: number;
}

// Displays in which pictures of `show` may follow each other.
export interface PlacesEvent {
  event: 'places';
  displays: string[];
}

export type KernelEvent =
  | { event: 'status'; status: Status }
  | { event: 'figures'; figures: Figures }
  | Answer
  | PictureEvent
  | PlacesEvent;
