import { type GraphiQLPlugin, useGraphiQL, useGraphiQLActions } from '@graphiql/react';
import { useState } from 'react';
import { documents } from 'virtual:documents';
import type { OperationDocument } from '../../build/documents.ts';

/** The tabs of a first visit: the documents marked `# @tab n`, or else the first subscription and the first queries. */
export function openingTabs(): { query: string; variables: string }[] {
  const marked = documents.filter((one) => one.tab !== null).sort((a, b) => (a.tab ?? 0) - (b.tab ?? 0));
  const ofKind = (kind: OperationDocument['kind']) => documents.filter((one) => one.kind === kind);
  const chosen = marked.length > 0 ? marked : [...ofKind('subscription').slice(0, 1), ...ofKind('query').slice(0, 4)];
  return chosen.length > 0 ? chosen : [{ query: 'query Hello {\n  __typename\n}\n', variables: '' }];
}

function Documents() {
  const [filter, setFilter] = useState('');
  const open = useOpen();
  const wanted = filter.trim().toLowerCase();
  const shown = documents.filter((one) => `${one.subject} ${one.name} ${one.about}`.toLowerCase().includes(wanted));
  const subjects = [...new Set(shown.map((one) => one.subject))];
  return (
    <section className="evalium-panel" aria-label="Documents">
      <h2>Documents</h2>
      <p>The operations that Evalium is tested with. Choose one to open it in a tab.</p>
      <label htmlFor="evalium-filter">Find</label>
      <input id="evalium-filter" type="search" value={filter} onChange={(event) => setFilter(event.target.value)} />
      <p role="status">{shown.length === 1 ? '1 document' : `${shown.length} documents`}</p>
      {subjects.map((subject) => (
        <section key={subject} aria-label={subject}>
          <h3>{subject}</h3>
          <ul>
            {shown
              .filter((one) => one.subject === subject)
              .map((one) => (
                <li key={one.name}>
                  <button type="button" onClick={() => open(one)}>
                    <strong>{one.name}</strong> <small>{one.kind}</small>
                    {one.about !== '' && <span>{one.about}</span>}
                  </button>
                </li>
              ))}
          </ul>
        </section>
      ))}
    </section>
  );
}

/** Goes to the tab that already shows the operation, or opens a new one with the document and its variables. */
function useOpen(): (chosen: OperationDocument) => void {
  const { tabs, queryEditor, variableEditor } = useGraphiQL((state) => ({
    tabs: state.tabs,
    queryEditor: state.queryEditor,
    variableEditor: state.variableEditor,
  }));
  const { addTab, changeTab, stop, updateActiveTabValues } = useGraphiQLActions();
  return ({ name, query, variables }) => {
    const index = tabs.findIndex((tab) => tab.title === name);
    if (index >= 0) {
      changeTab(index);
      return;
    }
    stop(); // or a running subscription would write its answers into the new tab
    addTab();
    queryEditor?.setValue(query);
    variableEditor?.setValue(variables);
    updateActiveTabValues({ query, variables, operationName: name });
  };
}

function Icon() {
  return (
    <svg viewBox="0 0 24 24" fill="none" stroke="currentColor" strokeWidth="1.5" aria-hidden="true">
      <path d="M6 2.5h8l5 5v14H6zM14 2.5v5h5M9.5 12h6m-6 3.5h6" />
    </svg>
  );
}

export const DOCUMENTS: GraphiQLPlugin = { title: 'Documents', icon: Icon, content: Documents };
