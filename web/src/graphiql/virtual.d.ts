declare module 'virtual:documents' {
  import type { OperationDocument } from '../../build/documents.ts';

  /** All documents of graphql/operations, in the order of their paths. */
  export const documents: readonly OperationDocument[];
}
