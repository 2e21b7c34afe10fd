// The container by which JupyterLab loads an extension: https://jupyterlab.readthedocs.io/en/stable/extension/extension_dev.html
// The modules that the application shares with extensions are taken from its share scope; nothing else is loaded.
(() => {
  const SHARED = ["@jupyterlab/notebook","@jupyterlab/statusbar","@lumino/signaling","@lumino/widgets"];
  let scope = {};

  // Of several versions of a module: the one that is in use, else the newest.
  function newest(versions) {
    const number = text => text.split(/[.+-]/).map(part => parseInt(part, 10) || 0);
    const names = Object.keys(versions).sort((a, b) => {
      if (Boolean(versions[a].loaded) !== Boolean(versions[b].loaded)) {
        return versions[a].loaded ? -1 : 1;
      }
      const [left, right] = [number(a), number(b)];
      const index = left.findIndex((each, place) => each !== right[place]);
      return index < 0 ? 0 : (right[index] ?? 0) - left[index];
    });
    return versions[names[0]];
  }

  async function load(name) {
    if (!scope[name]) {
      throw new Error(`${"rpyc-kernel"} needs ${name}, which this application doesn't share.`);
    }
    return [name, (await newest(scope[name]).get())()];
  }

  async function get(name) {
    if (name !== './extension') {
      throw new Error(`${"rpyc-kernel"} has no module ${name}.`);
    }
    const modules = new Map(await Promise.all(SHARED.map(load)));
    const module = { exports: {} };
    evaluate(module, name => modules.get(name));
    return () => module.exports;
  }

  function evaluate(module, require) {
"use strict";
var __defProp = Object.defineProperty;
var __getOwnPropDesc = Object.getOwnPropertyDescriptor;
var __getOwnPropNames = Object.getOwnPropertyNames;
var __hasOwnProp = Object.prototype.hasOwnProperty;
var __export = (target, all) => {
  for (var name in all)
    __defProp(target, name, { get: all[name], enumerable: true });
};
var __copyProps = (to, from, except, desc) => {
  if (from && typeof from === "object" || typeof from === "function") {
    for (let key of __getOwnPropNames(from))
      if (!__hasOwnProp.call(to, key) && key !== except)
        __defProp(to, key, { get: () => from[key], enumerable: !(desc = __getOwnPropDesc(from, key)) || desc.enumerable });
  }
  return to;
};
var __toCommonJS = (mod) => __copyProps(__defProp({}, "__esModule", { value: true }), mod);

// src/index.ts
var index_exports = {};
__export(index_exports, {
  default: () => index_default
});
module.exports = __toCommonJS(index_exports);
var import_notebook = require("@jupyterlab/notebook");
var import_statusbar = require("@jupyterlab/statusbar");

// src/frontNotebook.ts
var import_signaling2 = require("@lumino/signaling");

// src/kernelComm.ts
var import_signaling = require("@lumino/signaling");
var RENEW_MS = 6e4;
var ANSWER_TIMEOUT_MS = 12e4;
var AWAY_MS = 6e5;
var lastSeen = Date.now();
for (const kind of ["pointermove", "keydown", "wheel", "focus"]) {
  window.addEventListener(kind, () => lastSeen = Date.now(), { capture: true, passive: true });
}
var KernelComm = class {
  constructor(context) {
    this._context = context;
    context.kernelChanged.connect(this._renew, this);
    context.statusChanged.connect(this._onKernelStatus, this);
    context.connectionStatusChanged.connect(this._onConnection, this);
    context.disposed.connect(this.dispose, this);
    document.addEventListener("visibilitychange", this._watchSoon);
    this._timer = window.setInterval(this._watchSoon, RENEW_MS);
    void this._open();
  }
  get changed() {
    return this._changed;
  }
  // Whether the kernel is one of ours, as far as it is known.
  get ours() {
    return this._comm !== null;
  }
  get status() {
    return this._status;
  }
  get figures() {
    return this._figures;
  }
  get kernel() {
    return this._context.session?.kernel ?? null;
  }
  // Whether the notebook is in front: then the kernel tells the figures too.
  set inFront(value) {
    this._inFront = value;
    this._watch();
  }
  async sessions(machine = "") {
    return this._ask({ do: "sessions", machine });
  }
  async hosts() {
    return this._ask({ do: "hosts" });
  }
  async connect(machine) {
    return this._ask({ do: "connect", machine });
  }
  async reconnect() {
    return this._ask({ do: "reconnect" });
  }
  async restart() {
    return this._ask({ do: "restart" });
  }
  dispose() {
    window.clearInterval(this._timer);
    document.removeEventListener("visibilitychange", this._watchSoon);
    this._drop();
    import_signaling.Signal.clearData(this);
  }
  // --- the comm
  _renew() {
    this._drop();
    this._changed.emit();
    void this._open();
  }
  _onKernelStatus(_context, status2) {
    if (status2 === "restarting" || status2 === "autorestarting" || status2 === "dead") {
      this._drop();
      this._changed.emit();
    } else if (status2 === "idle" && this._comm === null) {
      void this._open();
    }
  }
  _onConnection(_context, status2) {
    if (status2 === "connected") {
      void this._open();
      this._watch();
    }
  }
  async _open() {
    const kernel = this.kernel;
    if (kernel === null || this._comm !== null || this._opening === kernel || !kernel.handleComms) {
      return;
    }
    this._opening = kernel;
    try {
      const info = await kernel.info;
      const target = info.rpyc_kernel?.comm;
      if (typeof target !== "string" || kernel !== this.kernel || kernel.isDisposed || this._comm !== null) {
        return;
      }
      const comm = kernel.createComm(target);
      comm.onMsg = (message) => this._take(message);
      comm.onClose = () => {
        if (this._comm === comm) {
          this._comm = null;
        }
      };
      this._comm = comm;
      comm.open({});
      this._watch();
    } catch {
    } finally {
      this._opening = null;
    }
  }
  _drop() {
    const comm = this._comm;
    this._comm = null;
    this._status = this._figures = null;
    for (const waiting of this._waiting.values()) {
      waiting.reject(new Error("The kernel was restarted meanwhile."));
    }
    this._waiting.clear();
    if (comm !== null && !comm.isDisposed && this.kernel?.connectionStatus === "connected") {
      try {
        comm.close();
      } catch {
      }
    }
  }
  _watchSoon = () => this._watch();
  _watch() {
    if (this._comm === null) {
      void this._open();
      return;
    }
    const looked = this._inFront && document.visibilityState === "visible" && Date.now() - lastSeen < AWAY_MS;
    if (looked || this._watched) {
      this._watched = looked;
      this._send({ do: "watch", watched: looked });
    }
  }
  _send(data) {
    if (this._comm === null || this._comm.isDisposed || this.kernel?.connectionStatus !== "connected") {
      return false;
    }
    this._comm.send(data, void 0, void 0, true);
    return true;
  }
  async _ask(request) {
    const id = ++this._asked;
    const answer = new Promise((resolve, reject) => {
      const timer = window.setTimeout(() => {
        this._waiting.delete(id);
        reject(new Error("The kernel has not answered. A cell that runs on this machine may hold it up."));
      }, ANSWER_TIMEOUT_MS);
      this._waiting.set(id, {
        resolve: (value) => (window.clearTimeout(timer), resolve(value)),
        reject: (error) => (window.clearTimeout(timer), reject(error))
      });
    });
    if (!this._send({ ...request, id })) {
      this._waiting.get(id)?.reject(new Error("The page has no connection to the kernel just now."));
      this._waiting.delete(id);
    }
    return answer;
  }
  _take(message) {
    const data = message.content.data;
    if (data.event === "status") {
      this._status = data.status;
      if (data.status.state !== "connected") {
        this._figures = null;
      }
      this._changed.emit();
    } else if (data.event === "figures") {
      this._figures = data.figures;
      this._changed.emit();
    } else if (data.event === "answer") {
      this._answered(data);
    }
  }
  _answered(answer) {
    const waiting = this._waiting.get(answer.id);
    this._waiting.delete(answer.id);
    if (answer.error) {
      waiting?.reject(new Error(answer.error));
    } else {
      waiting?.resolve(answer.value);
    }
  }
  _context;
  _changed = new import_signaling.Signal(this);
  _waiting = /* @__PURE__ */ new Map();
  _timer;
  _comm = null;
  _opening = null;
  _status = null;
  _figures = null;
  _inFront = false;
  _watched = false;
  _asked = 0;
};

// src/frontNotebook.ts
var FrontNotebook = class {
  constructor(tracker) {
    this._tracker = tracker;
    tracker.forEach((panel) => this._add(panel));
    tracker.widgetAdded.connect((_tracker, panel) => this._add(panel));
    tracker.currentChanged.connect(this._onCurrent, this);
    this._onCurrent();
  }
  // Something of the notebook in front has changed, or another one is.
  get changed() {
    return this._changed;
  }
  get panel() {
    return this._tracker.currentWidget;
  }
  // The comm to the kernel of the notebook in front; null where that kernel isn't one of ours.
  get comm() {
    const comm = this.panel === null ? void 0 : this._comms.get(this.panel);
    return comm?.ours ? comm : null;
  }
  _add(panel) {
    if (this._comms.has(panel)) {
      return;
    }
    const comm = new KernelComm(panel.sessionContext);
    this._comms.set(panel, comm);
    comm.changed.connect(() => {
      if (panel === this.panel) {
        this._changed.emit();
      }
    });
    panel.disposed.connect(() => comm.dispose());
  }
  _onCurrent() {
    const panel = this.panel;
    if (panel !== null) {
      this._add(panel);
    }
    this._tracker.forEach((each) => {
      const comm = this._comms.get(each);
      if (comm !== void 0) {
        comm.inFront = each === panel;
      }
    });
    this._changed.emit();
  }
  _tracker;
  _comms = /* @__PURE__ */ new WeakMap();
  _changed = new import_signaling2.Signal(this);
};

// src/status.ts
var import_widgets = require("@lumino/widgets");

// src/text.ts
function element(tag, className, text = "") {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}
function milliseconds(seconds) {
  const ms = seconds * 1e3;
  return ms < 10 ? `${ms.toFixed(1)} ms` : ms < 1e3 ? `${ms.toFixed(0)} ms` : `${seconds.toFixed(1)} s`;
}
function bytes(count) {
  let rest = count;
  for (const unit of ["B", "kB", "MB"]) {
    if (rest < 999.5) {
      return `${rest < 10 && unit !== "B" ? rest.toFixed(1) : rest.toFixed(0)} ${unit}`;
    }
    rest /= 1e3;
  }
  return `${rest.toFixed(1)} GB`;
}

// src/status.ts
var StatusItem = class extends import_widgets.Widget {
  constructor(front, onClick) {
    super({ node: element("button", "rk-Status") });
    this._front = front;
    this.node.append(this._state, this._machine, this._figures);
    this.node.addEventListener("click", () => onClick(this.node));
    front.changed.connect(this._show, this);
    this._show();
  }
  _show() {
    const status2 = this._front.comm?.status ?? null;
    this.setHidden(status2 === null);
    if (status2 !== null) {
      this.node.dataset.state = status2.state;
      this._machine.textContent = status2.machine;
      this._state.textContent = status2.state;
      const figures = this._front.comm?.figures ?? null;
      this._figures.textContent = figures === null ? "" : shortFigures(figures);
      this.node.title = longText(status2, figures);
    }
  }
  _front;
  _machine = element("span", "rk-Status-machine");
  _state = element("span", "rk-Status-state");
  _figures = element("span", "rk-Status-figures");
};
function shortFigures(figures) {
  const parts = [milliseconds(figures.round_trip)];
  if (figures.host_cpu_percent !== null) {
    parts.push(`CPU ${figures.host_cpu_percent.toFixed(0)} %`);
  }
  if (figures.host_virtual_memory.percent !== null) {
    parts.push(`memory ${figures.host_virtual_memory.percent.toFixed(0)} %`);
  }
  return parts.join(" · ");
}
function longText(status2, figures) {
  const lines = [status2.description ?? "", status2.detail];
  if (figures !== null) {
    lines.push(`round trip ${milliseconds(figures.round_trip)}`);
    const cpu = figures.kernel_cpu === null ? "" : `${figures.kernel_cpu.toFixed(0)} % of a processor`;
    const memory = figures.kernel_memory === null ? "" : bytes(figures.kernel_memory);
    const session = [cpu, memory].filter((each) => each).join(", ");
    lines.push(session ? `this notebook's Python there: ${session}` : "");
    const { total, available } = figures.host_virtual_memory;
    lines.push(total !== null && available !== null ? `free memory there: ${bytes(available)} of ${bytes(total)}` : "");
  }
  return lines.filter((line) => line).join("\n");
}

// src/style.css
var style_default = ".rk-Status {\n  display: flex;\n  gap: 6px;\n  align-items: center;\n  border: none;\n  padding: 0 6px;\n  background: none;\n  color: inherit;\n  font: inherit;\n  font-size: var(--jp-ui-font-size1);\n  line-height: 24px;\n  white-space: nowrap;\n  cursor: pointer;\n}\n\n.rk-Status:hover {\n  background: var(--jp-layout-color3);\n}\n\n.rk-Status.lm-mod-hidden {\n  display: none;\n}\n\n.rk-Status-machine {\n  max-width: 24em;\n  overflow: hidden;\n  text-overflow: ellipsis;\n}\n\n.rk-Status-state::before {\n  content: '●';\n  margin-right: 4px;\n  color: var(--jp-layout-color4);\n}\n\n[data-state='connected'] > .rk-Status-state::before {\n  color: var(--jp-success-color1);\n}\n\n[data-state='connecting'] > .rk-Status-state::before,\n[data-state='reconnecting'] > .rk-Status-state::before {\n  color: var(--jp-warn-color1);\n}\n\n[data-state='taken over'] > .rk-Status-state::before,\n[data-state='session ended'] > .rk-Status-state::before,\n[data-state='worker died'] > .rk-Status-state::before {\n  color: var(--jp-error-color1);\n}\n\n.rk-Status-figures {\n  opacity: 0.8;\n}\n";

// src/index.ts
var STATUS_RANK = 1;
var MENU_RANK = 10005;
var status = {
  id: "rpyc-kernel:status",
  description: "Shows the machine of the notebook in front, and how it is connected.",
  autoStart: true,
  requires: [import_notebook.INotebookTracker],
  optional: [import_statusbar.IStatusBar],
  activate: (app, tracker, statusBar) => {
    const sheet = document.createElement("style");
    sheet.textContent = style_default;
    document.head.append(sheet);
    const front = new FrontNotebook(tracker);
    const item = new StatusItem(front, () => void 0);
    item.id = "rpyc-kernel-status";
    if (statusBar !== null) {
      statusBar.registerStatusItem("rpyc-kernel:status", { item, align: "left", rank: STATUS_RANK });
    } else {
      app.shell.add(item, "menu", { rank: MENU_RANK });
    }
  }
};
var index_default = [status];
  }

  window._JUPYTERLAB = window._JUPYTERLAB ?? {};
  window._JUPYTERLAB["rpyc-kernel"] = { init: given => void (scope = given), get };
})();
