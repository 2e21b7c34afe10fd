// The container by which JupyterLab loads an extension: https://jupyterlab.readthedocs.io/en/stable/extension/extension_dev.html
// The modules that the application shares with extensions are taken from its share scope; nothing else is loaded.
(() => {
  const SHARED = ["@jupyterlab/apputils","@jupyterlab/notebook","@jupyterlab/services","@jupyterlab/statusbar","@jupyterlab/ui-components","@lumino/messaging","@lumino/signaling","@lumino/widgets"];
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
var import_notebook3 = require("@jupyterlab/notebook");
var import_statusbar = require("@jupyterlab/statusbar");

// src/ask.ts
var import_widgets = require("@lumino/widgets");

// src/actions.ts
var import_apputils = require("@jupyterlab/apputils");
var import_notebook = require("@jupyterlab/notebook");

// src/text.ts
function element(tag, className, text = "", children = []) {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  made.append(...children);
  return made;
}
function button(text, act, title = "") {
  const made = element("button", "rk-Button", text);
  made.title = title;
  made.addEventListener("click", act);
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
function sessionLine(entry) {
  if (!entry.answers) {
    return "does not answer";
  }
  const state = entry.busy ? "busy" : entry.held ? "idle" : "ready";
  const unread = entry.unread && !entry.held ? `${entry.unread} unread message${entry.unread === 1 ? "" : "s"}` : "";
  const holder = entry.ours ? "this notebook has it" : entry.held ? `held by ${entry.holder || "somebody"}` : "held by nobody";
  return [state, unread, holder].filter((each) => each).join(", ");
}
function sentence(error) {
  return error instanceof Error ? error.message : String(error);
}

// src/actions.ts
var PLAIN_NAME = /^[A-Za-z][A-Za-z0-9._-]*$/;
async function takeOver(panel, entry, all, machine = "") {
  const isMeant = PLAIN_NAME.test(entry.name) && all.filter((each) => each.name === entry.name).length === 1;
  const words = ["%attach", isMeant ? entry.name : entry.session, machine];
  const notebook = panel.content;
  const last = notebook.widgets.length - 1;
  notebook.activeCellIndex = last;
  if (notebook.activeCell?.model.sharedModel.getSource().trim()) {
    import_notebook.NotebookActions.insertBelow(notebook);
  }
  notebook.activeCell?.model.sharedModel.setSource(words.join(" ").trim());
  await import_notebook.NotebookActions.runAndAdvance(notebook, panel.sessionContext);
}
async function restartThere(comm) {
  const machine = comm.status?.machine ?? "";
  const asked = await (0, import_apputils.showDialog)({
    title: "Restart the Python there?",
    body: `The Python on ${machine} ends, and all its variables are lost. The connection stays.`,
    buttons: [import_apputils.Dialog.cancelButton(), import_apputils.Dialog.warnButton({ label: "Restart" })]
  });
  return asked.button.accept ? comm.restart() : null;
}
async function tell(title, error) {
  await (0, import_apputils.showErrorMessage)(title, sentence(error));
}
async function tellWarnings(reached) {
  if (reached?.warnings.length) {
    await (0, import_apputils.showDialog)({ title: reached.machine, body: reached.warnings.join("\n"), buttons: [import_apputils.Dialog.okButton()] });
  }
}

// src/ask.ts
var MAX_MACHINES = 12;
async function askForMachine(front, panel) {
  const comm = front.commOf(panel);
  let asking = null;
  const end = () => {
    asking?.dispose();
    asking = null;
  };
  const isNew = () => comm.status?.fresh === true && comm.status.state === "not connected" && isEmpty(panel) && !panel.isDisposed;
  let hosts = null;
  const show = async () => {
    if (!isNew()) {
      end();
      return;
    }
    if (hosts === null) {
      hosts = [];
      hosts = (await comm.hosts()).saved.slice(0, MAX_MACHINES);
      if (hosts.length && asking === null && isNew()) {
        asking = question(hosts, (name) => {
          end();
          void comm.connect(name).then(tellWarnings, (error) => tell(name, error));
        });
        panel.contentHeader.addWidget(asking);
      }
    }
  };
  comm.changed.connect(() => void show().catch(() => void 0));
  await panel.revealed;
  panel.content.model?.contentChanged.connect(() => void show().catch(() => void 0));
  await show().catch(() => void 0);
}
function isEmpty(panel) {
  const cells = panel.content.model?.cells;
  return cells !== void 0 && [...cells].every((cell) => cell.sharedModel.getSource().trim() === "");
}
function question(hosts, choose) {
  const buttons = hosts.map((host) => button(host.name, () => choose(host.name), host.machine));
  const asking = new import_widgets.Widget({ node: element("div", "rk-Ask", "Which machine?", buttons) });
  asking.node.append(button("Later", () => asking.dispose(), "A cell can name one: %connect ADDRESS"));
  return asking;
}

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
  // How the notebook is connected; null as long as the kernel hasn't told, and where it isn't one of ours.
  get status() {
    return this._status;
  }
  // Whether the page reaches the kernel. Where it doesn't, what the kernel has told may be true no longer.
  get reached() {
    return this.kernel?.connectionStatus === "connected";
  }
  get figures() {
    return this._figures;
  }
  // What the kernel tells of the pictures of `show`, and their bytes.
  get pictured() {
    return this._pictured;
  }
  // The kernel can be told again what the page has: the connection to it was lost meanwhile.
  get connected() {
    return this._connected;
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
  async use(machine) {
    return this._ask({ do: "use", machine });
  }
  async reconnect() {
    return this._ask({ do: "reconnect" });
  }
  async restart() {
    return this._ask({ do: "restart" });
  }
  // Tells what becomes of pictures: `shown`, `gone` or `painted`.
  tellOfPictures(what) {
    this._send(what);
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
      this._connected.emit();
    } else {
      this._figures = null;
    }
    this._changed.emit();
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
    if (comm !== null && !comm.isDisposed && this.reached) {
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
    if (this._comm === null || this._comm.isDisposed || !this.reached) {
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
    } else if (data.event === "picture" || data.event === "places") {
      this._pictured.emit({ event: data, bytes: message.buffers?.[0] });
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
  _connected = new import_signaling.Signal(this);
  _pictured = new import_signaling.Signal(this);
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
var START_TIMEOUT_MS = 6e4;
var FrontNotebook = class {
  constructor(tracker) {
    this._tracker = tracker;
    tracker.forEach((panel) => this.commOf(panel));
    tracker.widgetAdded.connect((_tracker, panel) => this.commOf(panel));
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
    const comm = this.panel === null ? null : this.commOf(this.panel);
    return comm?.status ? comm : null;
  }
  commOf(panel) {
    const known = this._comms.get(panel);
    if (known !== void 0) {
      return known;
    }
    const comm = new KernelComm(panel.sessionContext);
    this._comms.set(panel, comm);
    comm.changed.connect(() => {
      if (panel === this.panel) {
        this._changed.emit();
      }
    });
    panel.disposed.connect(() => comm.dispose());
    return comm;
  }
  // The comm of a notebook that has just been opened, once its kernel has told how it is connected.
  async started(panel) {
    const comm = this.commOf(panel);
    const end = Date.now() + START_TIMEOUT_MS;
    while (comm.status === null) {
      if (Date.now() > end || panel.isDisposed) {
        throw new Error("The kernel of the new notebook has not told the page how it is connected.");
      }
      await new Promise((resolve) => window.setTimeout(resolve, 50));
    }
    return comm;
  }
  _onCurrent() {
    this._tracker.forEach((panel) => this.commOf(panel).inFront = panel === this.panel);
    this._changed.emit();
  }
  _tracker;
  _comms = /* @__PURE__ */ new WeakMap();
  _changed = new import_signaling2.Signal(this);
};

// src/machineTabs.ts
var import_widgets2 = require("@lumino/widgets");
var SETTLE_MS = 150;
var LOOKED_AT = 65536;
var HERE = "here";
var HIDDEN = "rk-mod-other";
var LABELLED = /^\[([^\[\]\n]{1,200})\](?: |$)/gm;
var MachineTabs = class {
  constructor(panel, comm) {
    this._panel = panel;
    this._comm = comm;
    void panel.context.ready.then(() => {
      panel.content.model?.cells.changed.connect(this._lookSoon, this);
      panel.content.model?.contentChanged.connect(this._lookSoon, this);
      comm.changed.connect(this._lookSoon, this);
      this._lookSoon();
    });
    panel.disposed.connect(() => window.clearTimeout(this._timer));
  }
  _lookSoon() {
    this._timer ||= window.setTimeout(() => this._look(), SETTLE_MS);
  }
  _look() {
    this._timer = 0;
    if (this._panel.isDisposed) {
      return;
    }
    const known = this._known();
    for (const cell of this._panel.content.widgets) {
      if (cell.model.type === "code") {
        this._lookAt(cell, known);
      }
    }
  }
  // What the notebook calls its machines just now: what else stands in brackets is no machine.
  _known() {
    const status2 = this._comm.status;
    const described = status2 === null ? [] : [status2, ...status2.others];
    return /* @__PURE__ */ new Set([HERE, ...described.map((each) => each.label || each.machine)]);
  }
  _lookAt(cell, known) {
    const outputs = cell.model.outputs;
    const tabs2 = this._tabs.get(cell);
    const machines2 = /* @__PURE__ */ new Set();
    for (let index = 0; index < outputs.length; index++) {
      const output = outputs.get(index);
      const named = machineOf(output);
      if (named !== void 0) {
        machines2.add(named);
      }
      for (const [, label] of streamText(output).slice(0, LOOKED_AT).matchAll(LABELLED)) {
        if (known.has(label)) {
          machines2.add(label);
        }
      }
    }
    const area = cell.outputArea;
    if (machines2.size > 1 && area?.parent instanceof import_widgets2.Panel) {
      const shown = tabs2 ?? new CellTabs(cell);
      this._tabs.set(cell, shown);
      shown.show([...machines2].sort());
    } else if (tabs2 !== void 0) {
      tabs2.dispose();
      this._tabs.delete(cell);
    }
  }
  _panel;
  _comm;
  _tabs = /* @__PURE__ */ new WeakMap();
  _timer = 0;
};
var CellTabs = class {
  constructor(cell) {
    this._cell = cell;
    const wrapper = cell.outputArea.parent;
    wrapper.insertWidget(wrapper.widgets.indexOf(cell.outputArea), this._bar);
    cell.disposed.connect(() => this._bar.dispose());
  }
  show(machines2) {
    if (machines2.join("\n") !== this._machines.join("\n")) {
      this._machines = machines2;
      this._chosen = machines2.includes(this._chosen) ? this._chosen : "";
      this._bar.node.replaceChildren(...["", ...machines2].map((machine) => this._tab(machine)));
    }
    this._filter();
  }
  dispose() {
    this._chosen = "";
    this._filter();
    this._bar.dispose();
  }
  _tab(machine) {
    const tab = button(machine || "all", () => {
      this._chosen = machine;
      this._filter();
    });
    tab.dataset.machine = machine;
    return tab;
  }
  _filter() {
    for (const tab of this._bar.node.querySelectorAll("button")) {
      tab.setAttribute("aria-pressed", String(tab.dataset.machine === this._chosen));
    }
    const area = this._cell.outputArea;
    area.widgets.forEach((child, index) => {
      const output = index < area.model.length ? area.model.get(index) : void 0;
      const machine = output && machineOf(output);
      const text = output ? streamText(output) : "";
      child.toggleClass(HIDDEN, this._chosen !== "" && machine !== void 0 && machine !== this._chosen);
      this._filterText(child, output, text);
    });
  }
  // Puts the lines of the chosen machine beside the whole text, which is hidden meanwhile.
  _filterText(child, output, text) {
    const before = this._twins.get(child);
    const lines = this._chosen && output ? linesOf(text, this._chosen, this._machines) : null;
    const shown = lines?.join("\n") ?? "";
    child.toggleClass("rk-mod-filtered", lines !== null);
    if (before !== void 0 && (lines === null || before.text !== shown)) {
      before.widget.dispose();
      this._twins.delete(child);
    }
    if (lines === null || output === void 0 || before?.text === shown || !(child instanceof import_widgets2.Panel)) {
      return;
    }
    const mime = output.type === "stream" ? streamMime(output) : "";
    const rendermime = this._cell.outputArea.rendermime;
    const widget = rendermime.createRenderer(mime);
    widget.addClass("rk-Twin");
    widget.addClass("jp-OutputArea-output");
    void widget.renderModel(rendermime.createModel({ data: { [mime]: shown } }));
    child.addWidget(widget);
    this._twins.set(child, { text: shown, widget });
  }
  _cell;
  _bar = new import_widgets2.Widget({ node: element("div", "rk-Tabs") });
  _twins = /* @__PURE__ */ new Map();
  _machines = [];
  _chosen = "";
};
function machineOf(output) {
  const ours = output.metadata["rpyc_kernel"];
  return typeof ours?.machine === "string" ? ours.machine : void 0;
}
function streamText(output) {
  if (output.type !== "stream") {
    return "";
  }
  const text = output.data[streamMime(output)];
  return typeof text === "string" ? text : "";
}
function streamMime(output) {
  return Object.keys(output.data)[0] ?? "";
}
function linesOf(text, machine, machines2) {
  if (!text) {
    return null;
  }
  const found = [];
  let others = false;
  for (const line of text.replace(/\n$/, "").split("\n")) {
    const owner = machines2.find((each) => line === `[${each}]` || line.startsWith(`[${each}] `));
    if (owner === void 0) {
      found.push(line);
    } else if (owner === machine) {
      found.push(...line === `[${machine}]` ? [] : [line.slice(machine.length + 3)]);
      others = true;
    } else {
      others = true;
    }
  }
  return others ? found : null;
}

// src/pictures.ts
var import_messaging = require("@lumino/messaging");
var LOOK_AGAIN_MS = 500;
var LATE_MS = 50;
var FRAME_MS = 100;
var MIMES = ["image/jpeg", "image/png"];
var LivePictures = class {
  constructor(panel, comm) {
    this._panel = panel;
    this._comm = comm;
    comm.pictured.connect((_comm, { event, bytes: bytes2 }) => this._take(event, bytes2));
    comm.connected.connect(() => this._tell([...this._places.keys()]));
    document.addEventListener("visibilitychange", this._look);
    import_messaging.MessageLoop.installMessageHook(panel, (_panel, message) => this._hook(message));
    panel.disposed.connect(() => this._dispose());
  }
  get _visible() {
    return document.visibilityState === "visible" && this._panel.isVisible;
  }
  _take(event, bytes2) {
    if (event.event === "places") {
      const missing = this._claim(event.displays);
      if (missing.length) {
        window.setTimeout(() => this._claim(missing), LOOK_AGAIN_MS);
      }
    } else if (bytes2 !== void 0 && MIMES.includes(event.mime)) {
      const place = this._place(event.display);
      place.waiting.push({ event, bytes: bytes2, images: this._images(event.display), at: performance.now() });
      place.waiting.splice(0, place.waiting.length - 2);
      place.owed = event.asks ? event.number : place.owed;
      if (!place.painting) {
        void this._paint(event.display, place);
      }
    }
  }
  // Says which of the displays have a place here; returns the others.
  _claim(displays) {
    const found = displays.filter((display) => this._hasOutput(display));
    found.forEach((display) => this._place(display));
    this._tell(found);
    return displays.filter((display) => !found.includes(display));
  }
  _place(display) {
    let place = this._places.get(display);
    if (place === void 0) {
      place = { painting: false, waiting: [], seen: Promise.resolve(), owed: 0 };
      this._places.set(display, place);
    }
    return place;
  }
  // --- painting
  async _paint(display, place) {
    place.painting = true;
    while (place.waiting.length && this._places.get(display) === place) {
      let frame = place.waiting.shift();
      if (place.waiting.length && performance.now() - frame.at > LATE_MS) {
        frame = place.waiting.shift();
      }
      const { event, images } = frame;
      if (!images.length && !this._hasOutput(display)) {
        this._places.delete(display);
        this._comm.tellOfPictures({ do: "gone", displays: [display] });
        break;
      }
      if (images.length) {
        await this._paintIn(display, place, frame);
      }
      if (place.owed && event.number >= place.owed) {
        this._comm.tellOfPictures({ do: "painted", displays: [display], number: place.owed });
        place.owed = 0;
      }
    }
    place.painting = false;
  }
  // Decodes a picture beside the page's thread, and draws it in front of the document's.
  async _paintIn(display, place, { event, bytes: bytes2, images }) {
    const bitmap = await createImageBitmap(new Blob([bytes2], { type: event.mime })).catch(() => null);
    if (bitmap === null) {
      return;
    }
    await place.seen;
    for (const image of this._images(display)) {
      if (images.includes(image)) {
        draw(bitmap, canvasOf(image), event);
      }
    }
    bitmap.close();
    place.seen = frameShown();
  }
  _images(display) {
    const found = [];
    this._eachOutput(display, (cell, index) => {
      const image = cell?.outputArea?.widgets[index]?.node.querySelector(".jp-OutputArea-output img");
      if (image) {
        found.push(image);
      }
    });
    return found;
  }
  // --- the places among the outputs
  _hasOutput(display) {
    let found = false;
    this._eachOutput(display, () => found = true);
    return found;
  }
  _eachOutput(display, act) {
    const cells = this._panel.content.model?.cells;
    for (let position = 0; position < (cells?.length ?? 0); position++) {
      const model = cells.get(position);
      if (model.type !== "code") {
        continue;
      }
      const outputs = model.outputs;
      for (let index = 0; index < outputs.length; index++) {
        const ours = outputs.get(index).metadata["rpyc_kernel"];
        if (ours?.show === display) {
          act(this._panel.content.widgets[position], index);
        }
      }
    }
  }
  // --- who looks
  _look = () => {
    if (this._visible !== this._told) {
      this._tell([...this._places.keys()]);
    }
  };
  _tell(displays) {
    this._told = this._visible;
    if (displays.length) {
      this._comm.tellOfPictures({ do: "shown", displays, visible: this._told });
    }
  }
  _hook(message) {
    if (message.type === "after-show" || message.type === "before-hide" || message.type === "after-hide") {
      window.setTimeout(this._look);
    }
    return true;
  }
  _dispose() {
    document.removeEventListener("visibilitychange", this._look);
    this._places.clear();
  }
  _panel;
  _comm;
  _places = /* @__PURE__ */ new Map();
  _told = true;
};
function frameShown() {
  return new Promise((resolve) => {
    requestAnimationFrame(() => window.setTimeout(resolve));
    window.setTimeout(resolve, FRAME_MS);
  });
}
function canvasOf(image) {
  const next = image.nextElementSibling;
  if (next instanceof HTMLCanvasElement) {
    return next;
  }
  const made = document.createElement("canvas");
  made.className = "rk-Live";
  made.setAttribute("role", "img");
  made.setAttribute("aria-label", image.alt);
  image.after(made);
  return made;
}
function draw(bitmap, canvas, event) {
  for (const side of ["width", "height"]) {
    if (canvas[side] !== bitmap[side]) {
      canvas[side] = bitmap[side];
    }
    canvas.style[side] = side === "width" && event.width ? `${event.width}px` : "";
  }
  canvas.getContext("2d")?.drawImage(bitmap, 0, 0);
}

// src/status.ts
var import_widgets3 = require("@lumino/widgets");
var UNREACHED = "no connection to the kernel";
var StatusItem = class extends import_widgets3.Widget {
  constructor(front, onClick) {
    super({ node: element("button", "rk-Status") });
    this._front = front;
    this.node.append(this._state, this._machine, this._figures);
    this.node.addEventListener("click", () => onClick(this.node));
    front.changed.connect(this._show, this);
    this._show();
  }
  _show() {
    const comm = this._front.comm;
    const status2 = comm?.status ?? null;
    this.setHidden(status2 === null);
    if (status2 !== null) {
      const state = comm?.reached ? status2.state : UNREACHED;
      this.node.dataset.state = state;
      this._machine.textContent = machineName(status2);
      this._state.textContent = state;
      const figures = comm?.figures ?? null;
      this._figures.textContent = figures === null ? "" : shortFigures(figures);
      this.node.title = longText(status2, figures);
    }
  }
  _front;
  _machine = element("span", "rk-Status-machine");
  _state = element("span", "rk-Status-state");
  _figures = element("span", "rk-Status-figures");
};
function machineName(status2) {
  const { label, machine } = status2;
  return label && label !== machine ? `${label} (${machine})` : machine;
}
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

// src/popup.ts
var LOST = /* @__PURE__ */ new Set(["reconnecting", "session ended", "taken over"]);
var Popup = class {
  constructor(front, commands) {
    this._front = front;
    this._commands = commands;
    this._node.append(this._head, this._buttons, this._said, this._others, this._sessions, this._machines);
    this._said.setAttribute("role", "status");
  }
  // Opens it beside the element, or closes it.
  toggle(anchor) {
    if (this._node.isConnected) {
      this.close();
      return;
    }
    document.body.append(this._node);
    const place = anchor.getBoundingClientRect();
    const above = place.top > window.innerHeight / 2;
    this._node.style.left = `${Math.max(4, Math.min(place.left, window.innerWidth - 420))}px`;
    this._node.style.top = above ? "" : `${place.bottom + 4}px`;
    this._node.style.bottom = above ? `${window.innerHeight - place.top + 4}px` : "";
    document.addEventListener("pointerdown", this._onPointer, true);
    document.addEventListener("keydown", this._onKey, true);
    this._front.changed.connect(this._show, this);
    this._say("");
    this._listed = null;
    this._show();
  }
  close() {
    this._node.remove();
    document.removeEventListener("pointerdown", this._onPointer, true);
    document.removeEventListener("keydown", this._onKey, true);
    this._front.changed.disconnect(this._show, this);
  }
  _onPointer = (event) => {
    const target = event.target;
    if (!this._node.contains(target) && target.closest(".rk-Status, .jp-Dialog") === null) {
      this.close();
    }
  };
  _onKey = (event) => {
    if (event.key === "Escape") {
      this.close();
    }
  };
  _show() {
    const comm = this._front.comm;
    const status2 = comm?.status;
    if (!comm || !status2) {
      this.close();
      return;
    }
    const title = [machineName(status2), status2.state].filter((each) => each).join(": ");
    this._head.replaceChildren(
      element("div", "rk-Popup-title", title),
      element("div", "rk-Popup-text", longText(status2, comm.figures))
    );
    if (this._listed !== comm) {
      void this._list();
    }
    const others = status2.others.map((each) => `${each.label}: ${each.state}`).join();
    if (this._shownOthers !== others || this._offered?.comm !== comm) {
      this._shownOthers = others;
      const heading = element("div", "rk-Popup-heading", "Other machines of this notebook");
      this._others.replaceChildren(...others ? [heading] : [], ...status2.others.map((each) => this._other(comm, each)));
    }
    if (this._offered?.comm !== comm || this._offered.state !== status2.state) {
      const wasLost = this._offered?.comm === comm && LOST.has(this._offered.state);
      this._offered = { comm, state: status2.state };
      this._offer(comm, status2.state);
      if (wasLost && status2.state === "connected") {
        void this._list();
      }
    }
  }
  _offer(comm, state) {
    const buttons = [
      button("Interrupt", () => void this._do(comm, "Interrupting", () => comm.kernel?.interrupt()), "As the stop button"),
      button("Restart the kernel", () => void this._commands.execute("notebook:restart-kernel"), "And begin a new session")
    ];
    if (state === "connected" || state === "worker died") {
      const title = "The session and the connection stay; the variables are lost";
      buttons.splice(1, 0, button("Restart the Python there", () => void this._do(comm, "Restarting", () => restartThere(comm)), title));
    }
    if (LOST.has(state)) {
      const text = state === "reconnecting" ? "Reconnect now" : "Begin a new session";
      buttons.unshift(button(text, () => void this._do(comm, "Connecting", () => comm.reconnect())));
    }
    this._buttons.replaceChildren(...buttons);
  }
  async _do(comm, doing, act) {
    this._say(`${doing}…`);
    try {
      const value = await act();
      this._say(value?.warnings?.join("\n") ?? "");
    } catch (error) {
      this._say(sentence(error));
    }
    if (this._node.isConnected && comm === this._front.comm) {
      void this._list();
    }
  }
  _say(text) {
    this._said.textContent = text;
  }
  async _list() {
    const comm = this._front.comm;
    if (comm === null) {
      return;
    }
    this._listed = comm;
    this._listSessions(comm);
    try {
      const { saved, recent } = await comm.hosts();
      const addresses = new Set(saved.map((each) => each.machine));
      const unsaved = recent.filter((each) => !addresses.has(each)).map((each) => ({ name: each, machine: "" }));
      const rows = [...saved, ...unsaved].map((host) => this._machine(comm, host));
      const heading = element("div", "rk-Popup-heading", rows.length ? "Run the next cells on" : "");
      this._machines.replaceChildren(heading, ...rows);
    } catch (error) {
      this._machines.replaceChildren(element("div", "rk-Popup-text", sentence(error)));
    }
  }
  // What was listed stays until there is an answer, which is shown if nothing was asked since.
  _listSessions(comm) {
    const asked = ++this._asked;
    const show = (...rows) => {
      if (asked === this._asked && comm.status !== null) {
        const heading = element("div", "rk-Popup-heading", `Sessions on ${machineName(comm.status)}`);
        this._sessions.replaceChildren(...comm.status.machine ? [heading, ...rows] : []);
      }
    };
    if (this._sessionsOf !== comm || !comm.status?.machine) {
      show(element("div", "rk-Popup-text", "Asking…"));
    }
    this._sessionsOf = comm;
    if (comm.status?.machine) {
      void comm.sessions().then(
        (found) => show(...found.sessions.map((entry) => this._session(entry, found.sessions))),
        (error) => show(element("div", "rk-Popup-text", sentence(error)))
      );
    }
  }
  // One of the notebook's machines, on which cells run that name it.
  _other(comm, other) {
    const name = other.label || other.machine;
    const text = [element("span", "rk-Row-name", name), element("span", "rk-Row-text", other.state)];
    const row = element("div", "rk-Row", "", text);
    row.dataset.label = name;
    const use = () => void this._do(comm, `Using ${name}`, () => comm.use(name));
    row.append(button("Use", use, "Have the next cells run there; as %use does"));
    return row;
  }
  _session(entry, all) {
    const text = [element("span", "rk-Row-name", entry.name), element("span", "rk-Row-text", sessionLine(entry))];
    const row = element("div", "rk-Row", "", text);
    row.dataset.session = entry.session;
    const panel = this._front.panel;
    if (!entry.ours && entry.answers && panel !== null) {
      const take = () => (this.close(), void takeOver(panel, entry, all));
      row.append(button("Take over", take, "In a cell of its own, which shows what it gave out meanwhile"));
    }
    return row;
  }
  _machine(comm, host) {
    const text = [element("span", "rk-Row-name", host.name), element("span", "rk-Row-text", host.machine)];
    const row = element("div", "rk-Row", "", text);
    row.dataset.machine = host.name;
    row.append(button("Connect", () => void this._do(comm, `Connecting to ${host.name}`, () => comm.connect(host.name))));
    return row;
  }
  _front;
  _commands;
  _offered = null;
  _node = element("div", "rk-Popup");
  _head = element("div", "rk-Popup-head");
  _buttons = element("div", "rk-Popup-buttons");
  _said = element("div", "rk-Popup-said");
  _listed = null;
  _sessionsOf = null;
  // whose sessions are shown
  _asked = 0;
  _shownOthers = "";
  _others = element("div", "rk-Popup-others");
  _sessions = element("div", "rk-Popup-sessions");
  _machines = element("div", "rk-Popup-machines");
};

// src/sidebar.ts
var import_services = require("@jupyterlab/services");
var import_ui_components = require("@jupyterlab/ui-components");
var import_widgets4 = require("@lumino/widgets");

// src/launch.ts
var import_notebook2 = require("@jupyterlab/notebook");
var OPTION = "--RpycKernel.address=";
var NOT_ASKED = "{rpyc_machine}";
function kernels(specs) {
  const tiles = /* @__PURE__ */ new Map();
  let plain = null;
  for (const [name, spec] of Object.entries(specs?.kernelspecs ?? {})) {
    const argv = spec?.argv ?? [];
    if (argv.includes("rpyc_kernel")) {
      const machine = argv.find((each) => each.startsWith(OPTION))?.slice(OPTION.length) ?? "";
      if (machine === "" || machine === NOT_ASKED) {
        plain = plain === null || name === "rpyc" ? name : plain;
      } else {
        tiles.set(machine, name);
      }
    }
  }
  return { plain, tiles };
}
async function newNotebook(app, front, machine) {
  const { plain, tiles } = kernels(app.serviceManager.kernelspecs.specs);
  const kernelName = tiles.get(machine) ?? plain;
  if (kernelName === null) {
    throw new Error('The kernel "Python (RPyC)" is not in this Jupyter; rpyc-kernel install adds it.');
  }
  const panel = await app.commands.execute("notebook:create-new", { kernelName });
  if (!(panel instanceof import_notebook2.NotebookPanel)) {
    throw new Error("This application has begun the notebook elsewhere: choose the machine there.");
  }
  const comm = await front.started(panel);
  if (!tiles.has(machine)) {
    await comm.connect(machine);
  }
  return panel;
}

// src/sidebar.ts
var REFRESH_MS = 3e4;
var ICON = new import_ui_components.LabIcon({
  name: "rpyc-kernel:machines",
  svgstr: '<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 24 24"><g class="jp-icon3" fill="#616161"><path d="M3 4h18v7H3zm2 2v3h14V6zM3 13h18v7H3zm2 2v3h14v-3z"/><circle cx="8" cy="7.5" r="1"/><circle cx="8" cy="16.5" r="1"/></g></svg>'
});
var NONE = "No machine is saved. In a terminal: rpyc-kernel hosts add NAME ADDRESS";
var Sidebar = class extends import_widgets4.Widget {
  constructor(app, front) {
    super({ node: element("div", "rk-Sidebar") });
    this._app = app;
    this._front = front;
    this.id = "rpyc-kernel-machines";
    this.title.caption = "Machines of Python (RPyC)";
    this.title.icon = ICON;
    this._button.addEventListener("click", () => void this._refresh());
    this.node.append(element("div", "rk-Sidebar-head", "Machines", [this._button]), this._said, this._cards);
  }
  onAfterShow(message) {
    super.onAfterShow(message);
    void this._refresh();
    this._timer ??= window.setInterval(() => {
      if (this.isVisible && document.visibilityState === "visible") {
        void this._refresh();
      }
    }, REFRESH_MS);
  }
  onAfterHide(message) {
    super.onAfterHide(message);
    window.clearInterval(this._timer);
    this._timer = void 0;
  }
  async _refresh() {
    if (this._asking) {
      return;
    }
    this._asking = this._button.disabled = true;
    if (!this._cards.childElementCount && !this._said.textContent) {
      this._said.textContent = "Asking the saved machines…";
    }
    try {
      const cards = await this._ask();
      this._show(cards);
      this._said.textContent = cards.length ? "" : NONE;
    } catch (error) {
      this._said.textContent = sentence(error);
    } finally {
      this._asking = this._button.disabled = false;
    }
  }
  // A card stays as long as it shows the same but for the round trip: a click needs its button until the end.
  _show(cards) {
    const ours = this._front.comm?.status?.id;
    const shown = /* @__PURE__ */ new Map();
    for (const card of cards) {
      const rows = card.sessions.map((each) => [each.session, each.name, sessionLine(each)]);
      const key = JSON.stringify([card.name, card.address, card.reachable, card.error, rows, ours]);
      const node = this._shown.get(key) ?? this._card(card);
      node.querySelector(".rk-Card-state").textContent = stateLine(card);
      shown.set(key, node);
    }
    const nodes = [...shown.values()];
    if (nodes.length !== this._cards.childElementCount || nodes.some((node, index) => node !== this._cards.children[index])) {
      this._cards.replaceChildren(...nodes);
    }
    this._shown = shown;
  }
  async _ask() {
    const settings = this._app.serviceManager.serverSettings;
    const url = new URL("rpyc-kernel/hosts", settings.baseUrl).toString();
    const response = await import_services.ServerConnection.makeRequest(url, {}, settings);
    if (response.status === 404) {
      throw new Error("The Jupyter server has no extension of rpyc-kernel: jupyter server extension enable rpyc_kernel");
    }
    const found = await response.json();
    if (!response.ok || found.hosts === void 0) {
      throw new Error(found.message || `The Jupyter server answered ${response.status}.`);
    }
    return found.hosts;
  }
  _card(card) {
    const node = element("div", "rk-Card", "", [
      element("div", "rk-Card-name", card.name),
      element("div", "rk-Card-text", card.address),
      element("div", "rk-Card-state")
    ]);
    node.dataset.machine = card.name;
    node.dataset.state = stateOf(card);
    if (card.error) {
      node.append(element("div", "rk-Card-text", card.error));
    }
    if (card.reachable) {
      node.append(button("New notebook", () => void this._begin(card)));
    }
    node.append(...card.sessions.map((entry) => this._session(card, entry)));
    return node;
  }
  _session(card, entry) {
    const ours = entry.session === this._front.comm?.status?.id;
    const row = element("div", "rk-Row", "", [
      element("span", "rk-Row-name", entry.name),
      element("span", "rk-Row-text", sessionLine({ ...entry, ours }))
    ]);
    row.dataset.session = entry.session;
    if (entry.answers && !ours) {
      row.append(button("Take over", () => void this._take(card, entry), "In the notebook in front, or in a new one"));
    }
    return row;
  }
  async _begin(card) {
    try {
      await newNotebook(this._app, this._front, card.name);
    } catch (error) {
      await tell(card.name, error);
    }
    void this._refresh();
  }
  async _take(card, entry) {
    try {
      const panel = this._front.comm === null ? null : this._front.panel;
      await takeOver(panel ?? await newNotebook(this._app, this._front, card.name), entry, card.sessions, card.name);
    } catch (error) {
      await tell(card.name, error);
    }
    void this._refresh();
  }
  _app;
  _front;
  _button = element("button", "rk-Button", "Refresh");
  _said = element("div", "rk-Sidebar-said");
  _cards = element("div", "rk-Sidebar-cards");
  _timer;
  _asking = false;
  _shown = /* @__PURE__ */ new Map();
  // the cards, by what they tell
};
function stateOf(card) {
  return card.reachable ? "ready" : "not reachable";
}
function stateLine(card) {
  const trip = card.round_trip === null ? "" : milliseconds(card.round_trip);
  const python = card.python ? `Python ${card.python}` : "";
  return [stateOf(card), trip, python].filter((each) => each).join(", ");
}

// src/style.css
var style_default = ".rk-Status {\n  display: flex;\n  gap: 6px;\n  align-items: center;\n  border: none;\n  padding: 0 6px;\n  background: none;\n  color: inherit;\n  font: inherit;\n  font-size: var(--jp-ui-font-size1);\n  line-height: 24px;\n  white-space: nowrap;\n  cursor: pointer;\n}\n\n/* Where it is narrow, the figures make room first, then the machine: what stands beside them stays in the window. */\n.rk-Status,\n.jp-StatusBar-Left:has(> .rk-Status) {\n  min-width: 0;\n}\n\n.rk-Status:hover {\n  background: var(--jp-layout-color3);\n}\n\n.rk-Status.lm-mod-hidden {\n  display: none;\n}\n\n.rk-Status-machine {\n  max-width: 24em;\n  overflow: hidden;\n  text-overflow: ellipsis;\n}\n\n.rk-Status-state::before {\n  content: '●';\n  margin-right: 4px;\n  color: var(--jp-layout-color4);\n}\n\n[data-state='connected'] > .rk-Status-state::before {\n  color: var(--jp-success-color1);\n}\n\n[data-state='connecting'] > .rk-Status-state::before,\n[data-state='no connection to the kernel'] > .rk-Status-state::before,\n[data-state='reconnecting'] > .rk-Status-state::before {\n  color: var(--jp-warn-color1);\n}\n\n[data-state='taken over'] > .rk-Status-state::before,\n[data-state='session ended'] > .rk-Status-state::before,\n[data-state='worker died'] > .rk-Status-state::before {\n  color: var(--jp-error-color1);\n}\n\n.rk-Status-state {\n  flex-shrink: 0;\n}\n\n.rk-Status-figures {\n  flex-shrink: 1000;\n  overflow: hidden;\n  text-overflow: ellipsis;\n  opacity: 0.8;\n}\n\n.rk-Popup {\n  position: fixed;\n  z-index: 10000;\n  width: 400px;\n  max-height: 70vh;\n  overflow: auto;\n  padding: 8px 12px;\n  border: 1px solid var(--jp-border-color1);\n  border-radius: var(--jp-border-radius);\n  background: var(--jp-layout-color1);\n  color: var(--jp-ui-font-color1);\n  box-shadow: var(--jp-elevation-z6);\n  font-size: var(--jp-ui-font-size1);\n}\n\n.rk-Popup-title,\n.rk-Popup-heading,\n.rk-Card-name,\n.rk-Sidebar-head {\n  font-weight: 600;\n}\n\n.rk-Popup-heading {\n  margin-top: 8px;\n}\n\n.rk-Popup-text,\n.rk-Popup-said,\n.rk-Sidebar-said,\n.rk-Card-text {\n  overflow-wrap: anywhere;\n  white-space: pre-line;\n  color: var(--jp-ui-font-color2);\n}\n\n.rk-Popup-buttons {\n  display: flex;\n  flex-wrap: wrap;\n  gap: 4px;\n  margin: 8px 0 4px;\n}\n\n.rk-Row {\n  display: flex;\n  flex-wrap: wrap;\n  gap: 2px 8px;\n  align-items: center;\n  padding: 3px 0;\n}\n\n.rk-Row-name {\n  overflow-wrap: anywhere;\n}\n\n.rk-Row-text {\n  flex: 1;\n  overflow-wrap: anywhere;\n  color: var(--jp-ui-font-color2);\n}\n\n.rk-Button {\n  padding: 2px 8px;\n  border: 1px solid var(--jp-border-color1);\n  border-radius: var(--jp-border-radius);\n  background: var(--jp-layout-color2);\n  color: var(--jp-ui-font-color1);\n  font-size: var(--jp-ui-font-size1);\n  cursor: pointer;\n}\n\n.rk-Button:disabled {\n  color: var(--jp-ui-font-color3);\n  cursor: default;\n}\n\n.rk-Button:hover:enabled {\n  background: var(--jp-layout-color3);\n}\n\n.rk-Sidebar {\n  overflow: auto;\n  padding: 8px;\n  background: var(--jp-layout-color1);\n  color: var(--jp-ui-font-color1);\n  font-size: var(--jp-ui-font-size1);\n}\n\n.rk-Sidebar-head {\n  display: flex;\n  justify-content: space-between;\n  align-items: center;\n  margin-bottom: 8px;\n}\n\n.rk-Card {\n  margin-bottom: 8px;\n  padding: 8px;\n  border: 1px solid var(--jp-border-color2);\n  border-radius: var(--jp-border-radius);\n}\n\n.rk-Card[data-state='ready'] > .rk-Card-name::before {\n  content: '● ';\n  color: var(--jp-success-color1);\n}\n\n.rk-Card[data-state='not reachable'] > .rk-Card-name::before {\n  content: '● ';\n  color: var(--jp-layout-color4);\n}\n\n.rk-Ask {\n  display: flex;\n  flex-wrap: wrap;\n  gap: 6px;\n  align-items: center;\n  min-height: 32px;\n  padding: 2px 12px;\n  background: var(--jp-layout-color2);\n  color: var(--jp-ui-font-color1);\n  font-size: var(--jp-ui-font-size1);\n}\n\n.rk-Live {\n  max-width: 100%;\n  height: auto;\n}\n\n.rpyc-kernel-show > .rk-Live {\n  display: block;\n}\n\nimg:has(+ .rk-Live) {\n  display: none;\n}\n\n.rk-Tabs {\n  display: flex;\n  flex-wrap: wrap;\n  gap: 4px;\n  padding: 2px 0 2px calc(var(--jp-cell-prompt-width) + var(--jp-cell-padding));\n}\n\n.rk-Tabs .rk-Button[aria-pressed='true'] {\n  border-color: var(--jp-brand-color1);\n  color: var(--jp-brand-color1);\n}\n\n.rk-mod-other,\n.rk-mod-filtered > .jp-OutputArea-output:not(.rk-Twin) {\n  display: none;\n}\n";

// src/index.ts
var STATUS_RANK = 1;
var MENU_RANK = 10005;
var SIDEBAR_RANK = 850;
var shared = null;
function frontNotebook(tracker) {
  if (shared === null) {
    shared = new FrontNotebook(tracker);
    const sheet = document.createElement("style");
    sheet.textContent = style_default;
    document.head.append(sheet);
  }
  return shared;
}
var status = {
  id: "rpyc-kernel:status",
  description: "Shows the machine of the notebook in front, and how it is connected.",
  autoStart: true,
  requires: [import_notebook3.INotebookTracker],
  optional: [import_statusbar.IStatusBar],
  activate: (app, tracker, statusBar) => {
    const front = frontNotebook(tracker);
    const popup = new Popup(front, app.commands);
    const item = new StatusItem(front, (anchor) => popup.toggle(anchor));
    item.id = "rpyc-kernel-status";
    if (statusBar !== null) {
      statusBar.registerStatusItem("rpyc-kernel:status", { item, align: "left", rank: STATUS_RANK });
    } else {
      app.shell.add(item, "menu", { rank: MENU_RANK });
    }
  }
};
var machines = {
  id: "rpyc-kernel:machines",
  description: "Shows the saved machines and their sessions in the sidebar.",
  autoStart: true,
  requires: [import_notebook3.INotebookTracker],
  activate: (app, tracker) => {
    app.shell.add(new Sidebar(app, frontNotebook(tracker)), "left", { rank: SIDEBAR_RANK });
  }
};
var ask = {
  id: "rpyc-kernel:ask",
  description: "Asks on which machine the cells of a new notebook run.",
  autoStart: true,
  requires: [import_notebook3.INotebookTracker],
  activate: (_app, tracker) => {
    const front = frontNotebook(tracker);
    tracker.forEach((panel) => void askForMachine(front, panel));
    tracker.widgetAdded.connect((_tracker, panel) => void askForMachine(front, panel));
  }
};
var pictures = {
  id: "rpyc-kernel:pictures",
  description: "Paints the pictures of show() without putting each into the notebook.",
  autoStart: true,
  requires: [import_notebook3.INotebookTracker],
  activate: (_app, tracker) => {
    const front = frontNotebook(tracker);
    const paint = (panel) => new LivePictures(panel, front.commOf(panel));
    tracker.forEach(paint);
    tracker.widgetAdded.connect((_tracker, panel) => void paint(panel));
  }
};
var tabs = {
  id: "rpyc-kernel:tabs",
  description: "Shows the output of a cell that has run on several machines by machine, too.",
  autoStart: true,
  requires: [import_notebook3.INotebookTracker],
  activate: (_app, tracker) => {
    const front = frontNotebook(tracker);
    const add = (panel) => new MachineTabs(panel, front.commOf(panel));
    tracker.forEach(add);
    tracker.widgetAdded.connect((_tracker, panel) => void add(panel));
  }
};
var index_default = [status, machines, ask, pictures, tabs];
  }

  window._JUPYTERLAB = window._JUPYTERLAB ?? {};
  window._JUPYTERLAB["rpyc-kernel"] = { init: given => void (scope = given), get };
})();
