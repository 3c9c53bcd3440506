// graphql-ws and graphql-sse drive the server: clients.mjs reads one JSON object from its standard input (address,
// tokens, documents and ids) and prints what each step saw as JSON. The test in tests/walks decides what is right.
import { readFileSync } from 'node:fs';
import { createHash, randomUUID } from 'node:crypto';
import { createClient as createSocket } from 'graphql-ws';
import { createClient as createEvents } from 'graphql-sse';
import WebSocket from 'ws';
import { parse, print, visit, Kind } from 'graphql';

const given = JSON.parse(readFileSync(0, 'utf8'));
const seen = {};

const bearer = (token) => (token ? { Authorization: `Bearer ${token}` } : {});
const socket = (token, more = {}) =>
  createSocket({ url: given.ws, webSocketImpl: WebSocket, connectionParams: bearer(token), retryAttempts: 0, ...more });
const events = (token, more = {}) =>
  createEvents({ url: given.sse, headers: bearer(token), retryAttempts: 0, ...more });

// All results of an operation, at most `limit` of them, and how it ended.
async function all(client, payload, limit = Infinity) {
  const results = [];
  try {
    for await (const result of client.iterate(payload)) {
      results.push(result);
      if (results.length >= limit) return { results, end: 'left' };
    }
    return { results, end: 'complete' };
  } catch (error) {
    const errors = Array.isArray(error) ? error : [{ message: error.reason ?? error.message, closed: error.code }];
    return { results, end: 'error', errors };
  }
}

// One event of the candidate's session.
const event = () => ({
  query: given.mutation,
  variables: { input: { batchId: randomUUID(), events: [{ kind: 'FOCUS_LOST', clientAt: given.now, position: 1 }] } },
});

async function post(token, body) {
  const headers = { 'content-type': 'application/json', ...bearer(token) };
  return (await fetch(given.http, { method: 'POST', headers, body: JSON.stringify(body) })).json();
}

// Follow a stream from `after` while events come, cut the connection `cuts` times, and resume from the last cursor.
async function follow(make, cut, cuts, wanted) {
  const seqs = [];
  let { after } = given;
  let connections = 0;
  const recording = (async () => {
    for (let n = 0; n < wanted; n += 1) await post(given.candidate, event());
  })();
  while (seqs.length < wanted) {
    const client = make(given.token);
    connections += 1;
    try {
      for await (const { data } of client.iterate({ query: given.stream, variables: { ...given.streamed, after } })) {
        seqs.push(...data.assignmentStream.events.map((one) => one.seq));
        after = data.assignmentStream.cursor;
        if (seqs.length >= wanted) break;
        if (data.assignmentStream.events.length && connections <= cuts) cut(client);
      }
    } catch (error) {
      if (connections > cuts) throw error;
    } finally {
      client.dispose();
    }
  }
  await recording;
  given.after = after;
  return { seqs, connections };
}

// A document as Apollo and urql send it: with __typename below the outermost level, printed.
function withTypename(text) {
  return print(
    visit(parse(text), {
      SelectionSet(node, _key, parent) {
        const has = node.selections.some((one) => one.kind === Kind.FIELD && one.name.value === '__typename' && !one.alias);
        if (parent.kind === Kind.OPERATION_DEFINITION || has) return undefined;
        const added = { kind: Kind.FIELD, name: { kind: Kind.NAME, value: '__typename' } };
        return { ...node, selections: [...node.selections, added] };
      },
    }),
  );
}

async function hashesUnknown() {
  const unknown = [];
  for (const text of given.documents) {
    for (const spelling of [text, print(parse(text)), withTypename(text)]) {
      const sha256Hash = createHash('sha256').update(spelling).digest('hex');
      const { errors } = await post(null, { extensions: { persistedQuery: { version: 1, sha256Hash } } });
      if (errors?.some((error) => error.message === 'PersistedQueryNotFound')) unknown.push(spelling);
    }
  }
  return unknown;
}

for (const [name, make] of [['ws', socket], ['sse', events]]) {
  const client = make(given.token);
  const candidate = make(given.candidate);
  seen[name] = {
    query: await all(client, { query: given.query }),
    mutation: await all(candidate, event()),
    subscription: await all(client, { query: given.stream, variables: given.streamed }, 1),
    invalid: await all(client, { query: '{ nothing }' }),
    malformed: await all(client, { query: '{' }),
    anonymous: await all(make(null), { query: given.query }),
    badToken: await all(make('nonsense'), { query: given.query }),
  };
  // Neighbours that fail leave a running stream alone.
  const running = client.iterate({ query: given.stream, variables: given.streamed });
  await running.next();
  const failed = await all(client, { query: '{' });
  const next = await all(client, { query: given.query });
  await all(candidate, event());
  const streamed = await running.next();
  seen[name].neighbour = { failed: failed.end, next: next.end, streamed: !streamed.done };
  await running.return();
  given.after = streamed.value.data.assignmentStream.cursor;
  const cut = name === 'ws' ? (one) => one.terminate() : (one) => one.dispose();
  seen[name].from = given.after;
  seen[name].resumed = await follow(make, cut, 3, given.wanted);
}
seen.hashesUnknown = await hashesUnknown();
console.log(JSON.stringify(seen));
process.exit(0);
