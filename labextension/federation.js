// The container by which JupyterLab loads an extension: https://jupyterlab.readthedocs.io/en/stable/extension/extension_dev.html
// The modules that the application shares with extensions are taken from its share scope; nothing else is loaded.
(() => {
  const SHARED = '$SHARED';
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
      throw new Error(`${'$NAME'} needs ${name}, which this application doesn't share.`);
    }
    return [name, (await newest(scope[name]).get())()];
  }

  async function get(name) {
    if (name !== './extension') {
      throw new Error(`${'$NAME'} has no module ${name}.`);
    }
    const modules = new Map(await Promise.all(SHARED.map(load)));
    const module = { exports: {} };
    evaluate(module, name => modules.get(name));
    return () => module.exports;
  }

  function evaluate(module, require) {
/* $BUNDLE */
  }

  window._JUPYTERLAB = window._JUPYTERLAB ?? {};
  window._JUPYTERLAB['$NAME'] = { init: given => void (scope = given), get };
})();
