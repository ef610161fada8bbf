/** Error codes of packages with their meaning in one line: the reference page of errors is made from this. */
export const packageCodes = {
  Z430: 'an exported package that is incomplete or was changed',
  Z431: 'an export into a folder that exists already',
  Z432: 'an export format that this version does not have',
} as const;
