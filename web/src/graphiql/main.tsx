import 'graphiql/setup-workers/vite';
import { explorerPlugin } from '@graphiql/plugin-explorer';
import { HISTORY_PLUGIN } from '@graphiql/plugin-history';
import { useGraphiQLActions } from '@graphiql/react';
import { GraphiQL } from 'graphiql';
import { StrictMode, useMemo } from 'react';
import { createRoot } from 'react-dom/client';
import { DOCUMENTS, openingTabs } from './documents';
import { fetcherFor } from './fetcher';
import { IDENTITY, span, useSecondsUntil } from './identity';
import { STREAM } from './stream';
import { decode, readToken, useToken } from './token';
import 'graphiql/style.css';
import '@graphiql/plugin-explorer/style.css';
import './graphiql.css';

const plugins = [DOCUMENTS, IDENTITY, STREAM, explorerPlugin(), HISTORY_PLUGIN];
const firstPanel = readToken() === '' ? IDENTITY : DOCUMENTS;
const defaultTabs = openingTabs();

function App() {
  const token = useToken();
  // A new fetcher makes GraphiQL read the schema again, so the docs show what this token may see.
  const fetcher = useMemo(() => fetcherFor(token), [token]);
  return (
    <main>
      <GraphiQL
        fetcher={fetcher}
        plugins={plugins}
        visiblePlugin={firstPanel}
        defaultTabs={defaultTabs}
        defaultEditorToolsVisibility="variables"
        shouldPersistHeaders={false}
        inputValueDeprecation
        schemaDescription
      >
        <GraphiQL.Logo>
          <Heading />
        </GraphiQL.Logo>
      </GraphiQL>
    </main>
  );
}

function Heading() {
  const { setVisiblePlugin } = useGraphiQLActions();
  const claims = decode(useToken());
  const left = useSecondsUntil(claims?.exp);
  const state = claims === null ? 'No token' : left === null ? 'Token' : left > 0 ? `Token: ${span(left)} left` : 'Token expired';
  return (
    <div className="evalium-heading">
      <h1>
        <a href="/">Evalium</a>
      </h1>
      <button type="button" className="evalium-button" onClick={() => setVisiblePlugin(IDENTITY)}>
        {state}
      </button>
    </div>
  );
}

const root = document.getElementById('root');
if (root === null) throw new Error('graphiql.html has no element with the id "root".');
createRoot(root).render(
  <StrictMode>
    <App />
  </StrictMode>,
);
