import { readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import {
  buildSchema,
  type FragmentDefinitionNode,
  getNamedType,
  getNullableType,
  type GraphQLInputType,
  type GraphQLSchema,
  isEnumType,
  isInputObjectType,
  isListType,
  isRequiredInputField,
  Kind,
  type OperationDefinitionNode,
  parse,
  specifiedScalarTypes,
  typeFromAST,
  type ASTNode,
  visit,
} from 'graphql';

/** One document of graphql/operations, made to stand alone: the fragments it needs are part of `query`. */
export interface OperationDocument {
  subject: string;
  name: string;
  kind: 'query' | 'mutation' | 'subscription';
  /** The comment lines at the head of the file, as one text. */
  about: string;
  query: string;
  /** A JSON object with an empty value for everything the operation requires. */
  variables: string;
  /** The place among the tabs of a first visit, from a head line `# @tab 2`; null for all others. */
  tab: number | null;
}

const TAB_LINE = /^#\s*@tab\s+(\d+)\s*\n/m;

/** Reads every document below `folder`; a file that does not parse, or lacks a fragment, fails the build by its name. */
export function readDocuments(folder: string, schemaFile: string): OperationDocument[] {
  const sdl = readFileSync(schemaFile, 'utf8');
  const schema = sdl.trim() === '' ? null : buildSchema(sdl);
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.graphql'))
    .sort()
    .map((path) => parseFile(folder, path));
  const fragments = new Map(files.flatMap((file) => file.fragments.map((node) => [node.name.value, node])));
  return files.flatMap((file) => {
    const [operation, ...more] = file.operations;
    if (operation === undefined) return [];
    if (more.length > 0 || operation.name === undefined) {
      throw new Error(`graphql/operations/${file.path}: expected exactly one operation, with a name.`);
    }
    const added = missingFragments(file.path, operation, file.fragments, fragments);
    return {
      subject: basename(dirname(file.path)),
      name: operation.name.value,
      kind: operation.operation,
      about: headComment(file.text),
      query: [file.text.trim(), ...added.map(sourceOf)].join('\n\n') + '\n',
      variables: skeleton(operation, schema),
      tab: file.tab,
    };
  });
}

function parseFile(folder: string, path: string) {
  const raw = readFileSync(join(folder, path), 'utf8');
  const tab = TAB_LINE.exec(raw)?.[1];
  const text = raw.replace(TAB_LINE, '');
  try {
    const { definitions } = parse(text);
    return {
      path,
      text,
      tab: tab === undefined ? null : Number(tab),
      operations: definitions.filter((node) => node.kind === Kind.OPERATION_DEFINITION),
      fragments: definitions.filter((node) => node.kind === Kind.FRAGMENT_DEFINITION),
    };
  } catch (error) {
    throw new Error(`graphql/operations/${path} does not parse: ${String(error)}`, { cause: error });
  }
}

function missingFragments(
  path: string,
  operation: OperationDefinitionNode,
  own: FragmentDefinitionNode[],
  all: Map<string, FragmentDefinitionNode>,
): FragmentDefinitionNode[] {
  const reached = new Set<FragmentDefinitionNode>();
  const follow = (node: ASTNode): void => {
    visit(node, {
      FragmentSpread({ name }) {
        const fragment = own.find((candidate) => candidate.name.value === name.value) ?? all.get(name.value);
        if (fragment === undefined) throw new Error(`graphql/operations/${path}: no fragment is called ${name.value}.`);
        if (!reached.has(fragment)) {
          reached.add(fragment);
          follow(fragment);
        }
      },
    });
  };
  follow(operation);
  return [...reached].filter((fragment) => !own.includes(fragment));
}

function sourceOf({ loc }: FragmentDefinitionNode): string {
  return loc === undefined ? '' : loc.source.body.slice(loc.start, loc.end);
}

function headComment(text: string): string {
  const lines = text.trimStart().split('\n');
  const end = lines.findIndex((line) => !line.startsWith('#'));
  return lines
    .slice(0, end)
    .map((line) => line.replace(/^#\s?/, ''))
    .join(' ')
    .trim();
}

function skeleton(operation: OperationDefinitionNode, schema: GraphQLSchema | null): string {
  const required = (operation.variableDefinitions ?? []).filter(
    (node) => node.type.kind === Kind.NON_NULL_TYPE && node.defaultValue === undefined,
  );
  if (required.length === 0) return '';
  const values = required.map((node) => {
    const type = schema && (typeFromAST(schema, node.type as never) as GraphQLInputType | undefined);
    return [node.variable.name.value, type ? emptyValue(type) : ''];
  });
  return JSON.stringify(Object.fromEntries(values), null, 2);
}

function emptyValue(type: GraphQLInputType): unknown {
  const plain = getNullableType(type);
  if (isListType(plain)) return [];
  if (isEnumType(plain)) return plain.getValues()[0]?.name;
  if (isInputObjectType(plain)) {
    const required = Object.values(plain.getFields()).filter(isRequiredInputField);
    return Object.fromEntries(required.map((field) => [field.name, emptyValue(field.type)]));
  }
  const name = specifiedScalarTypes.find((scalar) => scalar.name === getNamedType(plain).name)?.name;
  if (name === 'Int' || name === 'Float') return 0;
  return name === 'Boolean' ? false : '';
}
