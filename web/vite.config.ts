import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import preact from '@preact/preset-vite';
import { defineConfig, type Plugin } from 'vite';

const MAPLIBRE = 'node_modules/maplibre-gl';

/** MapLibre finds its worker beside itself, so it stays outside the bundle, three files side by side. */
function carryMapLibre(): Plugin {
  return {
    name: 'carry-maplibre',
    apply: (_, { command, isSsrBuild }) => command === 'build' && !isSsrBuild,
    generateBundle() {
      for (const name of ['maplibre-gl.mjs', 'maplibre-gl-worker.mjs', 'maplibre-gl.css']) {
        const source = readFileSync(resolve(MAPLIBRE, 'dist', name), 'utf8').replace(/\n\/\/# sourceMappingURL=.*\s*$/, '\n');
        this.emitFile({ type: 'asset', fileName: `maplibre/${name}`, source });
      }
      const texts = [
        ['maplibre-gl', `${MAPLIBRE}/LICENSE.txt`],
        ['Inter (font)', 'node_modules/@fontsource-variable/inter/LICENSE'],
      ].map(([name, path]) => `## ${name}\n\n${readFileSync(path!, 'utf8')}`);
      this.emitFile({ type: 'asset', fileName: 'licences-more.md', source: texts.join('\n\n') });
    },
  };
}

export default defineConfig({
  plugins: [preact({ devToolsEnabled: false }), carryMapLibre()],
  build: {
    outDir: '../src/kuntur/server/static',
    emptyOutDir: true,
    target: 'es2022',
    license: { fileName: 'licences.md' },
    chunkSizeWarningLimit: 1200,
    rolldownOptions: { external: ['maplibre-gl'] },
  },
});
