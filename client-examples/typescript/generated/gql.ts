/* eslint-disable */
import * as types from './graphql.ts';



/**
 * Map of all GraphQL operations in the project.
 *
 * This map has several performance disadvantages:
 * 1. It is not tree-shakeable, so it will include all operations in the project.
 * 2. It is not minifiable, so the string of a GraphQL query will be multiple times inside the bundle.
 * 3. It does not support dead code elimination, so it will add unused operations.
 *
 * Therefore it is highly recommended to use the babel or swc plugin for production.
 * Learn more about it here: https://the-guild.dev/graphql/codegen/plugins/presets/preset-client#reducing-bundle-size
 */
type Documents = {
    "query Now {\n  feedCursor\n}\n\nmutation Submit($input: SubmitJobInput!) {\n  submitJob(input: $input) {\n    __typename\n    ... on Job {\n      id\n    }\n    ... on InvalidInput {\n      issues {\n        path\n        message\n      }\n    }\n    ... on Failure {\n      message\n    }\n  }\n}\n\nsubscription Events($after: Cursor!, $group: String!) {\n  jobEvents(after: $after, filter: {containerGroupId: $group}) {\n    __typename\n    ... on JobEvent {\n      cursor\n      jobId\n      type\n      attempt\n      data\n    }\n    ... on EventGap {\n      message\n      oldestCursor\n    }\n  }\n}": typeof types.NowDocument,
};
const documents: Documents = {
    "query Now {\n  feedCursor\n}\n\nmutation Submit($input: SubmitJobInput!) {\n  submitJob(input: $input) {\n    __typename\n    ... on Job {\n      id\n    }\n    ... on InvalidInput {\n      issues {\n        path\n        message\n      }\n    }\n    ... on Failure {\n      message\n    }\n  }\n}\n\nsubscription Events($after: Cursor!, $group: String!) {\n  jobEvents(after: $after, filter: {containerGroupId: $group}) {\n    __typename\n    ... on JobEvent {\n      cursor\n      jobId\n      type\n      attempt\n      data\n    }\n    ... on EventGap {\n      message\n      oldestCursor\n    }\n  }\n}": types.NowDocument,
};

/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "query Now {\n  feedCursor\n}\n\nmutation Submit($input: SubmitJobInput!) {\n  submitJob(input: $input) {\n    __typename\n    ... on Job {\n      id\n    }\n    ... on InvalidInput {\n      issues {\n        path\n        message\n      }\n    }\n    ... on Failure {\n      message\n    }\n  }\n}\n\nsubscription Events($after: Cursor!, $group: String!) {\n  jobEvents(after: $after, filter: {containerGroupId: $group}) {\n    __typename\n    ... on JobEvent {\n      cursor\n      jobId\n      type\n      attempt\n      data\n    }\n    ... on EventGap {\n      message\n      oldestCursor\n    }\n  }\n}"): typeof import('./graphql.ts').NowDocument;


export function graphql(source: string) {
  return (documents as any)[source] ?? {};
}
