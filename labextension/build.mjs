// Makes the federated extension that JupyterLab and Notebook 7 load: one file that can be read, and its package.json.
//
// JupyterLab's own builder brings a bundler's runtime, minified, with hashes in the names of its files. What JupyterLab
// asks of an extension is no more than what federation.js is, so that what is committed can be reviewed, and is the same
// wherever it is built.
import { build } from 'esbuild';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const out = join(here, 'built');
const from = JSON.parse(await readFile(join(here, 'package.json'), 'utf8'));

const { metafile, outputFiles } = await build({
  absWorkingDir: here,
  entryPoints: ['src/index.ts'],
  bundle: true,
  format: 'cjs',
  platform: 'browser',
  target: 'es2022',
  charset: 'utf8',
  legalComments: 'none',
  loader: { '.css': 'text' },
  packages: 'external',
  metafile: true,
  write: false,
  outfile: 'extension.js'
});
const imports = Object.values(metafile.outputs).flatMap(output => output.imports);
const shared = [...new Set(imports.filter(each => each.external).map(each => each.path))].sort();
const federation = (await readFile(join(here, 'federation.js'), 'utf8'))
  .replaceAll("'$NAME'", JSON.stringify(from.name))
  .replace("'$SHARED'", JSON.stringify(shared))
  .replace('/* $BUNDLE */', () => outputFiles[0].text.trimEnd());

// What is the same already stays as it is: make installs the package again when a file in there is newer.
async function write(name, text) {
  const path = join(out, name);
  if ((await readFile(path, 'utf8').catch(() => '')) !== text) {
    await writeFile(path, text);
  }
}

await mkdir(join(out, 'static'), { recursive: true });
await write(join('static', 'extension.js'), federation);
const manifest = {
  name: from.name,
  version: from.version,
  description: from.description,
  license: from.license,
  jupyterlab: {
    extension: true,
    outputDir: 'built',
    _build: { load: 'static/extension.js', extension: './extension' }
  }
};
await write('package.json', JSON.stringify(manifest, null, 2) + '\n');
const install = {
  packageManager: 'python',
  packageName: 'rpyc-kernel',
  uninstallInstructions: 'Uninstall the package rpyc-kernel with the program that has installed it.'
};
await write('install.json', JSON.stringify(install, null, 2) + '\n');
