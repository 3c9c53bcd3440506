import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';
import { defineConfig, type Plugin } from 'vite';
import { readDocuments } from './build/documents.ts';

const root = import.meta.dirname;
const graphql = join(root, '..', 'graphql');
const DOCUMENTS = 'virtual:documents';

/** Makes graphql/operations importable as `virtual:documents`. */
function documents(): Plugin {
  return {
    name: 'evalium-documents',
    resolveId: (id) => (id === DOCUMENTS ? `\0${DOCUMENTS}` : undefined),
    load(id) {
      if (id !== `\0${DOCUMENTS}`) return undefined;
      const found = readDocuments(join(graphql, 'operations'), join(graphql, 'schema.graphql'));
      return `export const documents = ${JSON.stringify(found)};`;
    },
  };
}

/** Drops the web fonts that GraphiQL carries inside its style sheet: 320 kB, and a hole for data: in the policy. */
function withoutInlineFonts(): Plugin {
  return {
    name: 'evalium-without-inline-fonts',
    enforce: 'pre',
    transform: (code, id) =>
      id.includes('/graphiql/dist/') && id.endsWith('.css')
        ? code.replace(/@font-face\s*\{[^}]*url\(["']?data:[^}]*\}/g, '')
        : undefined,
  };
}

/** Writes .br and .gz beside every file large enough to profit, so that the server never compresses on request. */
function precompressed(): Plugin {
  return {
    name: 'evalium-precompressed',
    async closeBundle() {
      const folder = join(root, 'dist', 'assets');
      await Promise.all(
        readdirSync(folder).map(async (name) => {
          const path = join(folder, name);
          const bytes = readFileSync(path);
          if (bytes.length < 1024) return;
          const params = { [constants.BROTLI_PARAM_QUALITY]: 10 };
          writeFileSync(`${path}.gz`, await promisify(gzip)(bytes, { level: 9 }));
          writeFileSync(`${path}.br`, await promisify(brotliCompress)(bytes, { params }));
        }),
      );
    },
  };
}

export default defineConfig({
  root,
  publicDir: false,
  logLevel: 'warn',
  plugins: [documents(), withoutInlineFonts(), precompressed()],
  worker: { format: 'es' },
  build: {
    target: 'es2022',
    modulePreload: { polyfill: false },
    // Monaco is one file of 2.8 MB by its nature; nothing is inlined, so the policy needs no data: for fonts.
    chunkSizeWarningLimit: 4000,
    assetsInlineLimit: 0,
    reportCompressedSize: false,
    rollupOptions: {
      input: join(root, 'graphiql.html'),
      // Libraries mark files "use client" for frameworks that render on a server; here everything is the client.
      onLog: (level, log, report) => {
        if (log.code !== 'MODULE_LEVEL_DIRECTIVE') report(level, log);
      },
    },
  },
});
