export { apiKeyRoles, type ApiKeyRole } from '../../db/entities/api-key.ts';
