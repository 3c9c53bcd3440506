import 'graphiql/setup-workers/vite';
import { explorerPlugin } from '@graphiql/plugin-explorer';
import { HISTORY_PLUGIN } from '@graphiql/plugin-history';
import { useGraphiQLActions } from '@graphiql/react';
import { GraphiQL } from 'graphiql';
import { buildSchema, type GraphQLSchema } from 'graphql';
import { StrictMode, useEffect, useMemo, useState } from 'react';
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
  const fetcher = useMemo(() => fetcherFor(token), [token]);
  const schema = useSchema();
  return (
    <main>
      <GraphiQL
        fetcher={fetcher}
        schema={schema}
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

/**
 * The schema as printed, null until it is here. Introspection is for staff; the printed schema is for everybody, so the
 * docs and the completion work before a token was given, and with a candidate's.
 */
function useSchema(): GraphQLSchema | null {
  const [schema, setSchema] = useState<GraphQLSchema | null>(null);
  useEffect(() => {
    const leave = new AbortController();
    const read = async (): Promise<void> => {
      const answer = await fetch('/schema.graphql', { signal: leave.signal });
      if (!answer.ok) throw new Error(`/schema.graphql was answered with ${answer.status}.`);
      setSchema(buildSchema(await answer.text()));
    };
    read().catch((error: unknown) => {
      if (!leave.signal.aborted) throw error;
    });
    return () => leave.abort();
  }, []);
  return schema;
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
