import { createGraphiQLFetcher, type Fetcher, type FetcherParams } from '@graphiql/toolkit';
import { type DocumentNode, Kind, parse } from 'graphql';
import { createClient, MessageType } from 'graphql-ws';
import { streamOpened, streamReceived } from './stream';

const http = new URL('/graphql', location.href);
const socket = new URL(http);
socket.protocol = http.protocol === 'https:' ? 'wss:' : 'ws:';

/**
 * Sends operations with the token of the Identity panel; what the header editor says wins over it. Each subscription
 * opens its own socket with the same headers in `connection_init`, and a refused socket is shown, not retried.
 */
export function fetcherFor(token: string): Fetcher {
  return (params, options) => {
    const own = (options?.headers ?? {}) as Record<string, string>;
    const named = Object.keys(own).some((name) => name.toLowerCase() === 'authorization');
    const headers: Record<string, string> = token === '' || named ? own : { ...own, Authorization: `Bearer ${token}` };
    const run = createGraphiQLFetcher({
      url: http.href,
      headers,
      enableIncrementalDelivery: false,
      wsClient: createClient({
        url: socket.href,
        connectionParams: headers,
        retryAttempts: 0,
        on: {
          opened: streamOpened,
          message: (message) => {
            if (message.type === MessageType.Next) streamReceived(message.payload.data ?? message.payload);
          },
        },
      }),
    });
    const { operationName, documentAST } = whatRuns(params);
    return run({ ...params, ...(operationName && { operationName }) }, { ...options, ...(documentAST && { documentAST }) });
  };
}

/**
 * Reads the operation from the text that is sent. GraphiQL's own reading lags behind the editor by a moment, in which
 * a subscription would be sent as a query, or under the name of the tab before.
 */
function whatRuns({ query, operationName }: FetcherParams): { operationName?: string | null | undefined; documentAST?: DocumentNode } {
  try {
    const documentAST = parse(query);
    const operations = documentAST.definitions.filter((node) => node.kind === Kind.OPERATION_DEFINITION);
    return { documentAST, operationName: operations.length === 1 ? operations[0]?.name?.value : operationName };
  } catch {
    return { operationName }; // the server's answer says what is wrong with the text, and where
  }
}
