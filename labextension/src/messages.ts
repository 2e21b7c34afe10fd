// What a kernel of ours tells and answers (src/rpyc_kernel/kernel/page/). All texts in it are texts, never HTML.

export type State =
  | 'not connected'
  | 'connecting'
  | 'connected'
  | 'reconnecting'
  | 'taken over'
  | 'session ended'
  | 'worker died';

export interface Described {
  machine: string;
  session?: string;
  id?: string;
  description?: string;
  state: State;
}

export interface Status extends Described {
  detail: string;
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

export interface Answer {
  event: 'answer';
  id: number;
  value: unknown;
  error: string;
}

export type KernelEvent = { event: 'status'; status: Status } | { event: 'figures'; figures: Figures } | Answer;
