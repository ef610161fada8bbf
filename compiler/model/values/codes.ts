/**
 * Every error code of the model stage with its meaning in one line; `docs/reference/errors.md` says the same.
 *
 * A code never changes its meaning; a new mistake gets a new code. Z1xx belong to the grammar, Z6xx and Z7xx
 * to running.
 */

export const modelCodes = {
  Z200: 'a name that nothing in reach declares',
  Z201: 'an argument for a parameter that does not exist',
  Z202: 'a parameter without default got no argument',
  Z203: 'blocks contain each other in a cycle',
  Z204: 'files import each other in a cycle',
  Z205: 'a file, package or exported name that cannot be found',
  Z206: 'a block that exists in a package but was not imported',
  Z207: 'two declarations share one name',
  Z208: 'too many arguments, or one parameter given twice',
  Z209: 'a value of the wrong kind (a string where an int belongs)',
  Z210: 'a call, member or index of something that has none',
  Z211: 'use of a child that is absent under its `when`',
  Z212: 'a `with` path that leads nowhere',
  Z213: 'a model, recipe or names map that does not exist, or must be named',
  Z214: '`fuses` names an unknown kernel, or a body that is not what the kernel computes',
  Z215: 'a block without the `forward` that a call needs',
  Z216: 'functions call each other without end',
  Z217: 'a tensor operation outside `forward`',
  Z218: 'a rule of a names map that cannot be undone',
  Z219: 'two weights would have the same path',
  Z220: 'an expression that has no meaning where it stands',
  Z221: '`image_mean` and `image_std` that are not three numbers each, or not the same throughout a model',
  Z301: 'shapes that cannot be combined',
  Z302: 'a tensor with the wrong number of axes',
  Z303: 'a tensor with the wrong element type',
  Z304: '`require`: a size is not a multiple of another',
  Z305: '`require`: a size is not divisible by a number that forward passes alone use',
  Z306: 'a static division with a remainder',
  Z307: 'a dimension variable with two different sizes',
  Z308: '`require`: another condition does not hold',
  Z309: 'an argument or result of another size than declared',
  Z310: 'an axis pattern that does not fit its tensor',
  Z311: 'an index or slice outside its axis or list',
  Z313: 'a number outside the range that its place allows',
  Z314: 'a model too large to elaborate',
  Z315: 'a model without the inputs or outputs that an entry, or the data of a recipe, needs',
  Z401: 'weights that do not fit the model: a tensor is missing, alien, or has another shape or type',
  Z501: 'an unknown setting of a recipe',
  Z502: 'a setting with a wrong value',
  Z503: 'a setting that training needs and the recipe lacks',
  Z504: 'a pattern or path that matches no weight or block',
  Z505: 'a setting given twice',
  Z506: 'a term of an objective, or a weight of one number, called like another column of `metrics.jsonl`',
  Z507: 'a warm-up longer than the run (a warning)',
  Z508: 'a batch of one for a loss that sets samples against each other (a warning)',
  Z509: '`lengths` for texts whose values depend on what is behind their ends',
} as const;

export type ModelCode = keyof typeof modelCodes;
