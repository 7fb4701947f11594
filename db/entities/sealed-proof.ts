import { defineEntity, p, type InferEntity } from '@mikro-orm/core';

/** A known text, sealed: whoever opens it has the right master key. One row. */
export const SealedProof = defineEntity({
  name: 'SealedProof',
  tableName: 'sealed_proof',
  properties: {
    id: p.integer().primary().autoincrement(false),
    sealed: p.text(),
  },
});
export type SealedProof = InferEntity<typeof SealedProof>;
