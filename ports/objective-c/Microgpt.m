#import "Microgpt.h"
#include <math.h>

NSString *const BadInput = @"BadInput";

void Refuse(NSString *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  [NSException raise:BadInput format:format arguments:arguments];
  abort(); /* not reached */
}

@implementation NSData (Numbers)
- (const int32_t *)integers { return [self bytes]; }
- (NSUInteger)integerCount { return [self length] / sizeof(int32_t); }
- (const double *)doubles { return [self bytes]; }
- (NSUInteger)doubleCount { return [self length] / sizeof(double); }
@end

@implementation NSMutableData (Numbers)
+ (NSMutableData *)dataWithDoubles:(NSUInteger)count { return [self dataWithLength:count * sizeof(double)]; }
- (void)appendInteger:(int32_t)integer { [self appendBytes:&integer length:sizeof integer]; }
- (void)appendDouble:(double)number { [self appendBytes:&number length:sizeof number]; }
@end

@implementation Twister
static uint32_t Mixed(const uint32_t *words, int i) { return words[i - 1] ^ words[i - 1] >> 30; }

+ (Twister *)twisterWithSeed:(uint32_t)seed {
  Twister *twister = [[self new] autorelease];
  uint32_t *words = twister->words, i = 1;
  words[0] = 19650218;
  for (uint32_t k = 1; k < 624; k++) words[k] = 1812433253 * Mixed(words, k) + k;
  for (int k = 0; k < 624 + 623; k++) {
    words[i] ^= Mixed(words, i) * (k < 624 ? 1664525 : 1566083941);
    words[i] += k < 624 ? seed : -i;
    if (++i == 624) {
      words[0] = words[623];
      i = 1;
    }
  }
  words[0] = 0x80000000;
  twister->index = 624;
  return twister;
}

- (uint32_t)nextWord {
  if (index == 624) {
    for (int i = 0; i < 624; i++) {
      uint32_t y = (words[i] & 0x80000000) | (words[(i + 1) % 624] & 0x7fffffff);
      words[i] = words[(i + 397) % 624] ^ y >> 1 ^ (y & 1 ? 2567483615 : 0);
    }
    index = 0;
  }
  uint32_t y = words[index++];
  y ^= y >> 11;
  y ^= y << 7 & 2636928640;
  y ^= y << 15 & 4022730752;
  return y ^ y >> 18;
}

- (double)nextRandom {
  uint64_t a = [self nextWord] >> 5, b = [self nextWord] >> 6;
  return (double)(a * 67108864 + b) / 9007199254740992.0;
}

- (double)nextGauss:(double)sigma {
  double z = kept;
  hasKept = !hasKept;
  if (hasKept) {
    double x = [self nextRandom] * 6.283185307179586, r = sqrt(-2.0 * ExactLog(1.0 - [self nextRandom]));
    z = ExactCos(x) * r;
    kept = ExactSin(x) * r;
  }
  return 0.0 + z * sigma;
}

- (uint32_t)nextBelow:(uint32_t)limit {
  uint32_t word;
  do word = [self nextWord] >> __builtin_clz(limit);
  while (word >= limit);
  return word;
}

- (void)shuffle:(NSMutableArray *)items {
  for (NSUInteger i = [items count]; i-- > 1;)
    [items exchangeObjectAtIndex:i withObjectAtIndex:[self nextBelow:(uint32_t)i + 1]];
}

- (int32_t)chooseByWeights:(NSData *)weights {
  double *sums = [[[weights mutableCopy] autorelease] mutableBytes];
  int32_t low = 0, high = (int32_t)[weights doubleCount] - 1;
  for (int32_t i = 1; i <= high; i++) sums[i] += sums[i - 1];
  if (!(sums[high] > 0.0 && sums[high] < INFINITY)) Refuse(@"the weights must have a finite total above 0");
  double u = [self nextRandom] * sums[high];
  while (low < high) {
    int32_t middle = (low + high) / 2;
    if (u < sums[middle]) high = middle;
    else low = middle + 1;
  }
  return low;
}
@end

/* A node. Its children begin at `first`: one a term, or the two factors of each term of a product. */
struct Entry {
  int32_t first, terms;
  BOOL isProduct;
  double local; /* the local gradient for each child, unless it is a product */
};

@implementation Tape
+ (Tape *)tape { return [[self new] autorelease]; }

- (id)init {
  if ((self = [super init])) visits = [NSMutableData data];
  return self;
}

- (void)dealloc {
  free(entries);
  free(children);
  free(values);
  free(gradients);
  [super dealloc];
}

- (void)cutTo:(int32_t)count {
  if (count < size) childCount = entries[count].first;
  size = count;
}

/* Adds a node; its children are to be filled in. */
- (int32_t)node:(double)value terms:(int32_t)terms local:(double)local {
  if (size == room) {
    room = MAX(1024, 2 * room);
    entries = realloc(entries, (size_t)room * sizeof *entries);
    values = realloc(values, (size_t)room * sizeof *values);
    gradients = realloc(gradients, (size_t)room * sizeof *gradients);
  }
  if (childCount + 2 * terms > childRoom) {
    childRoom = 2 * (childRoom + terms + 512);
    children = realloc(children, (size_t)childRoom * sizeof *children);
  }
  entries[size] = (struct Entry){childCount, terms, NO, local};
  values[size] = value;
  gradients[size] = 0.0;
  return size++;
}

- (int32_t)apply:(double)value to:(int32_t)a local:(double)local {
  int32_t node = [self node:value terms:1 local:local];
  children[childCount++] = a;
  return node;
}

- (int32_t)leaf:(double)x { return [self node:x terms:0 local:0.0]; }

- (int32_t)add:(int32_t)a to:(int32_t)b {
  int32_t node = [self node:values[a] + values[b] terms:2 local:1.0];
  children[childCount++] = a;
  children[childCount++] = b;
  return node;
}

- (int32_t)multiply:(int32_t)a by:(int32_t)b {
  int32_t node = [self node:values[a] * values[b] terms:1 local:0.0];
  entries[node].isProduct = YES;
  children[childCount++] = a;
  children[childCount++] = b;
  return node;
}

- (int32_t)add:(int32_t)a number:(double)c { return [self apply:values[a] + c to:a local:1.0]; }
- (int32_t)multiply:(int32_t)a number:(double)c { return [self apply:values[a] * c to:a local:c]; }
- (int32_t)negate:(int32_t)a { return [self multiply:a number:-1.0]; }
- (int32_t)logOf:(int32_t)a { return [self apply:ExactLog(values[a]) to:a local:1.0 / values[a]]; }

- (int32_t)raise:(int32_t)a to:(double)c {
  return [self apply:ExactPow(values[a], c) to:a local:c * ExactPow(values[a], c - 1.0)];
}

- (int32_t)expOf:(int32_t)a {
  double power = ExactExp(values[a]);
  return [self apply:power to:a local:power];
}

- (int32_t)reluOf:(int32_t)a {
  BOOL isOn = values[a] > 0.0;
  return [self apply:isOn ? values[a] : 0.0 to:a local:isOn ? 1.0 : 0.0];
}

- (int32_t)sum:(NSData *)nodes {
  int32_t count = (int32_t)[nodes integerCount], node = [self node:0.0 terms:count local:1.0];
  const int32_t *a = [nodes integers];
  for (int32_t i = 0; i < count; i++) {
    values[node] += values[a[i]];
    children[childCount++] = a[i];
  }
  return node;
}

- (int32_t)dot:(NSData *)nodes with:(NSData *)others {
  int32_t count = (int32_t)[nodes integerCount], node = [self node:0.0 terms:count local:0.0];
  const int32_t *a = [nodes integers], *b = [others integers];
  double sum = 0.0;
  for (int32_t i = 0; i < count; i++) {
    sum += values[a[i]] * values[b[i]];
    children[childCount++] = a[i];
    children[childCount++] = b[i];
  }
  values[node] = sum;
  entries[node].isProduct = YES;
  return node;
}

/* Every division has a pow node of its own; they are alike. */
- (NSData *)softmax:(NSData *)logits {
  NSMutableData *exps = [NSMutableData data], *result = [NSMutableData data];
  NSUInteger count = [logits integerCount];
  const int32_t *x = [logits integers];
  double top = values[x[0]];
  for (NSUInteger i = 1; i < count; i++)
    if (values[x[i]] > top) top = values[x[i]];
  for (NSUInteger i = 0; i < count; i++) [exps appendInteger:[self expOf:[self add:x[i] number:-top]]];
  int32_t total = [self sum:exps];
  double inverse = 1.0 / values[total], local = -1.0 * ExactPow(values[total], -2.0);
  for (NSUInteger i = 0; i < count; i++)
    [result appendInteger:[self multiply:[exps integers][i] by:[self apply:inverse to:total local:local]]];
  return result;
}

/* The order is depth-first, without recursion: `next` is the child that a node visits next, or -1 before its visit. */
- (void)backwardFrom:(int32_t)root {
  [visits setLength:3 * (size_t)size * sizeof(int32_t)];
  int32_t *next = [visits mutableBytes], *stack = next + size, *order = stack + size, depth = 0, count = 0;
  for (int32_t i = 0; i < size; i++) {
    next[i] = entries[i].terms > 0 ? -1 : 0; /* a leaf has nothing to visit */
    gradients[i] = 0.0;
  }
  next[root] = 0;
  stack[depth++] = root;
  while (depth > 0) {
    int32_t node = stack[depth - 1];
    const struct Entry *entry = entries + node;
    if (next[node] == (entry->isProduct ? 2 : 1) * entry->terms) {
      order[count++] = node;
      depth--;
      continue;
    }
    int32_t child = children[entry->first + next[node]++];
    if (next[child] < 0) {
      next[child] = 0;
      stack[depth++] = child;
    }
  }
  gradients[root] = 1.0;
  while (count > 0) {
    const struct Entry *entry = entries + order[--count];
    const int32_t *child = children + entry->first, *end = child + (entry->isProduct ? 2 : 1) * entry->terms;
    double gradient = gradients[order[count]];
    if (!entry->isProduct)
      while (child < end) gradients[*child++] += entry->local * gradient;
    for (; child < end; child += 2) {
      gradients[child[0]] += values[child[1]] * gradient;
      gradients[child[1]] += values[child[0]] * gradient;
    }
  }
}
@end

@implementation Matrix
@end

@implementation Shape
+ (Shape *)shape {
  Shape *shape = [[self new] autorelease];
  shape->attention = [NSMutableArray array];
  return shape;
}

- (void)addTo:(NSMutableArray *)all name:(NSString *)name rows:(int32_t)rows columns:(int32_t)columns {
  Matrix *matrix = [[Matrix new] autorelease];
  matrix->name = name;
  matrix->rows = rows;
  matrix->columns = columns;
  matrix->first = parameterCount;
  parameterCount += rows * columns;
  [all addObject:matrix];
}

- (void)makeMatrices {
  NSMutableArray *all = [NSMutableArray array];
  int32_t e = embedding;
  [self addTo:all name:@"wte" rows:vocabulary columns:e];
  [self addTo:all name:@"wpe" rows:block columns:e];
  [self addTo:all name:@"lm_head" rows:vocabulary columns:e];
  for (int32_t i = 0; i < layers; i++) {
    NSString *name = [NSString stringWithFormat:@"layer%d.", i];
    for (NSString *part in [@"attn_wq attn_wk attn_wv attn_wo" componentsSeparatedByString:@" "])
      [self addTo:all name:[name stringByAppendingString:part] rows:e columns:e];
    [self addTo:all name:[name stringByAppendingString:@"mlp_fc1"] rows:4 * e columns:e];
    [self addTo:all name:[name stringByAppendingString:@"mlp_fc2"] rows:e columns:4 * e];
  }
  matrices = all;
}
@end

@implementation Model
+ (Model *)modelWithShape:(Shape *)shape parameters:(NSData *)parameters {
  Model *model = [[self new] autorelease];
  model->shape = shape;
  model->tape = [Tape tape];
  model->rows = [NSMutableDictionary dictionary];
  model->keys = [NSMutableArray array];
  model->values = [NSMutableArray array];
  for (int32_t i = 0; i < shape->parameterCount; i++) [model->tape leaf:[parameters doubles][i]];
  for (Matrix *matrix in shape->matrices) {
    NSMutableArray *rows = [NSMutableArray array];
    for (int32_t i = 0, node = matrix->first; i < matrix->rows; i++) {
      NSMutableData *row = [NSMutableData data];
      for (int32_t j = 0; j < matrix->columns; j++) [row appendInteger:node++];
      [rows addObject:row];
    }
    [model->rows setObject:rows forKey:matrix->name];
  }
  for (int32_t i = 0; i < shape->layers * shape->heads; i++) {
    [model->keys addObject:[NSMutableArray array]];
    [model->values addObject:[NSMutableArray array]];
  }
  return model;
}

/* Begins a document: only the parameters remain. */
- (void)clear {
  [tape cutTo:shape->parameterCount];
  [keys makeObjectsPerformSelector:@selector(removeAllObjects)];
  [values makeObjectsPerformSelector:@selector(removeAllObjects)];
}

- (NSData *)note:(NSData *)nodes as:(NSString *)name {
  [observer model:self computed:name nodes:nodes];
  return nodes;
}

- (NSData *)rmsnorm:(NSData *)x {
  NSMutableData *result = [NSMutableData data];
  NSUInteger count = [x integerCount];
  int32_t mean = [tape multiply:[tape dot:x with:x] number:1.0 / (double)count];
  int32_t scale = [tape raise:[tape add:mean number:0.00001] to:-0.5];
  for (NSUInteger i = 0; i < count; i++) [result appendInteger:[tape multiply:[x integers][i] by:scale]];
  return result;
}

- (NSData *)linear:(NSData *)x by:(NSString *)name {
  NSMutableData *result = [NSMutableData data];
  if (layer >= 0) name = [NSString stringWithFormat:@"layer%d.%@", layer, name];
  for (NSData *row in [rows objectForKey:name]) [result appendInteger:[tape dot:row with:x]];
  return result;
}

- (NSData *)add:(NSData *)x to:(NSData *)y {
  NSMutableData *result = [NSMutableData data];
  for (NSUInteger i = 0; i < [x integerCount]; i++)
    [result appendInteger:[tape add:[x integers][i] to:[y integers][i]]];
  return result;
}

- (NSData *)activate:(NSData *)hidden {
  NSMutableData *result = [NSMutableData data];
  for (NSUInteger i = 0; i < [hidden integerCount]; i++) {
    int32_t node = [tape reluOf:[hidden integers][i]];
    [result appendInteger:shape->squared ? [tape raise:node to:2.0] : node];
  }
  return result;
}

/* What one head reads: the values at the positions in its list, mixed. */
- (NSData *)attend:(NSData *)q {
  NSArray *headKeys = [keys objectAtIndex:layer * shape->heads + head];
  NSArray *headValues = [values objectAtIndex:layer * shape->heads + head];
  NSMutableData *scores = [NSMutableData data], *mixed = [NSMutableData data];
  NSData *list = [shape->attention objectAtIndex:position];
  NSUInteger size = [q integerCount];
  const int32_t *listed = [list integers], *end = listed + [list integerCount];
  for (const int32_t *s = listed; s < end; s++) {
    int32_t product = [tape dot:q with:[headKeys objectAtIndex:*s]];
    [scores appendInteger:[tape multiply:product number:1.0 / sqrt((double)size)]];
  }
  NSData *weights = [self note:[tape softmax:[self note:scores as:@"scores"]] as:@"weights"];
  for (NSUInteger j = 0; j < size; j++) {
    NSMutableData *column = [NSMutableData data];
    for (const int32_t *s = listed; s < end; s++) [column appendInteger:[[headValues objectAtIndex:*s] integers][j]];
    [mixed appendInteger:[tape dot:weights with:column]];
  }
  return [self note:mixed as:@"mixed"];
}

- (NSData *)applyLayerTo:(NSData *)x {
  NSMutableData *mixed = [NSMutableData data];
  NSUInteger size = (NSUInteger)(shape->embedding / shape->heads) * sizeof(int32_t);
  NSData *normed = [self note:[self rmsnorm:x] as:@"attn_norm"];
  NSData *q = [self note:[self linear:normed by:@"attn_wq"] as:@"q"];
  NSData *k = [self note:[self linear:normed by:@"attn_wk"] as:@"k"];
  NSData *v = [self note:[self linear:normed by:@"attn_wv"] as:@"v"];
  for (head = 0; head < shape->heads; head++) {
    NSRange part = NSMakeRange(head * size, size);
    [[keys objectAtIndex:layer * shape->heads + head] addObject:[k subdataWithRange:part]];
    [[values objectAtIndex:layer * shape->heads + head] addObject:[v subdataWithRange:part]];
    [mixed appendData:[self attend:[q subdataWithRange:part]]];
  }
  head = -1;
  NSData *out = [self note:[self linear:mixed by:@"attn_wo"] as:@"attn_out"];
  x = [self note:[self add:out to:x] as:@"attn_residual"];
  NSData *hidden = [self linear:[self note:[self rmsnorm:x] as:@"mlp_norm"] by:@"mlp_fc1"];
  NSData *active = [self note:[self activate:[self note:hidden as:@"hidden"]] as:@"activated"];
  out = [self note:[self linear:active by:@"mlp_fc2"] as:@"mlp_out"];
  return [self note:[self add:out to:x] as:@"mlp_residual"];
}

- (NSData *)logitsOfToken:(int32_t)token {
  NSData *wte = [[rows objectForKey:@"wte"] objectAtIndex:token];
  NSData *wpe = [[rows objectForKey:@"wpe"] objectAtIndex:position];
  layer = head = -1;
  NSData *x = [self note:[self rmsnorm:[self note:[self add:wte to:wpe] as:@"embedded"]] as:@"normed"];
  for (layer = 0; layer < shape->layers; layer++) x = [self applyLayerTo:x];
  layer = -1;
  return [self note:[self linear:x by:@"lm_head"] as:@"logits"];
}

- (int32_t)lossOfDocument:(NSData *)tokens {
  int32_t count = MIN(shape->block, (int32_t)[tokens integerCount] - 1);
  NSMutableData *losses = [NSMutableData data];
  [self clear];
  for (position = 0; position < count; position++) {
    NSAutoreleasePool *pool = [NSAutoreleasePool new];
    const int32_t *token = [tokens integers] + position;
    NSData *probabilities = [self note:[tape softmax:[self logitsOfToken:token[0]]] as:@"probabilities"];
    int32_t loss = [tape negate:[tape logOf:[probabilities integers][token[1]]]];
    [self note:[NSData dataWithBytes:&loss length:sizeof loss] as:@"loss"];
    [losses appendInteger:loss];
    [pool drain];
  }
  return [tape multiply:[tape sum:losses] number:1.0 / (double)count];
}

- (NSData *)sampleAtTemperature:(double)temperature twister:(Twister *)twister observer:(id<DrawObserver>)witness {
  int32_t bos = shape->vocabulary - 1, token = bos;
  NSMutableData *sample = [NSMutableData data];
  [self clear];
  for (position = 0; position < shape->block; position++) {
    NSData *logits = [self logitsOfToken:token];
    NSMutableData *scaled = [NSMutableData data], *probabilities = [NSMutableData data];
    for (int32_t i = 0; i <= bos; i++)
      [scaled appendInteger:[tape multiply:[logits integers][i] number:1.0 / temperature]];
    NSData *nodes = [tape softmax:scaled];
    for (int32_t i = 0; i <= bos; i++) [probabilities appendDouble:tape->values[[nodes integers][i]]];
    token = [twister chooseByWeights:probabilities];
    [witness drew:token fromProbabilities:probabilities];
    if (token == bos) break;
    [sample appendInteger:token];
  }
  return sample;
}
@end

@implementation Adam
+ (Adam *)adam { return [[self new] autorelease]; }

- (double)rateOfStep:(int32_t)step {
  if (cosine) return learningRate * 0.5 * (1.0 + ExactCos(M_PI * step / steps));
  return learningRate * (1.0 - (double)step / steps);
}

- (double)correctionOf:(double)beta step:(int32_t)step { return 1.0 - ExactPow(beta, step + 1.0); }

- (void)step:(int32_t)step p:(double *)p g:(const double *)g m:(NSMutableData *)m v:(NSMutableData *)v {
  double rate = [self rateOfStep:step];
  double correction1 = [self correctionOf:beta1 step:step], correction2 = [self correctionOf:beta2 step:step];
  double *first = [m mutableBytes], *second = [v mutableBytes];
  for (NSUInteger i = 0; i < [m doubleCount]; i++) {
    first[i] = beta1 * first[i] + (1.0 - beta1) * g[i];
    second[i] = beta2 * second[i] + (1.0 - beta2) * (g[i] * g[i]);
    double square = second[i] / correction2, root = square > 0.0 ? sqrt(square) : ExactPow(square, 0.5);
    p[i] -= rate * (first[i] / correction1) / (root + epsilon);
  }
}

- (double)step:(int32_t)step
         model:(Model *)model
      document:(NSData *)tokens
             m:(NSMutableData *)m
             v:(NSMutableData *)v {
  int32_t root = [model lossOfDocument:tokens];
  double loss = model->tape->values[root];
  [model->tape backwardFrom:root];
  [self step:step p:model->tape->values g:model->tape->gradients m:m v:v];
  return loss;
}
@end

@implementation Dataset
+ (Dataset *)dataset {
  Dataset *dataset = [[self new] autorelease];
  dataset->documents = [NSMutableArray array];
  return dataset;
}

static BOOL IsSpace(int32_t point) { return point == 32 || (point >= 9 && point <= 13); }

- (void)addLine:(NSData *)codePoints {
  const int32_t *first = [codePoints integers], *end = first + [codePoints integerCount];
  while (first < end && IsSpace(*first)) first++;
  while (end > first && IsSpace(end[-1])) end--;
  if (end > first) [documents addObject:[NSData dataWithBytes:first length:(size_t)(end - first) * sizeof *first]];
}

- (NSData *)vocabulary {
  NSMutableIndexSet *known = [NSMutableIndexSet indexSet];
  NSMutableData *vocabulary = [NSMutableData data];
  if ([documents count] == 0) Refuse(@"the dataset has no documents");
  for (NSData *document in documents)
    for (NSUInteger i = 0; i < [document integerCount]; i++) [known addIndex:[document integers][i]];
  if ([known count] > 2047) Refuse(@"the dataset has more than 2047 distinct characters");
  for (NSUInteger point = [known firstIndex]; point != NSNotFound; point = [known indexGreaterThanIndex:point])
    [vocabulary appendInteger:(int32_t)point];
  return vocabulary;
}

static int Compare(const void *a, const void *b) { return *(const int32_t *)a - *(const int32_t *)b; }

- (NSData *)encode:(NSData *)document vocabulary:(NSData *)vocabulary {
  NSMutableData *tokens = [NSMutableData data];
  const int32_t *points = [vocabulary integers], *point = [document integers];
  int32_t bos = (int32_t)[vocabulary integerCount];
  [tokens appendInteger:bos];
  for (const int32_t *end = point + [document integerCount]; point < end; point++) {
    const int32_t *found = bsearch(point, points, (size_t)bos, sizeof *points, Compare);
    [tokens appendInteger:(int32_t)(found - points)];
  }
  [tokens appendInteger:bos];
  return tokens;
}
@end

@implementation Run
+ (NSArray *)presets { return [NSArray arrayWithObjects:@"seed", @"classic", nil]; }

+ (Run *)runOfPreset:(NSString *)name {
  Run *run = [[self new] autorelease];
  run->isSeed = [name isEqualToString:@"seed"];
  run->steps = run->isSeed ? 500 : 1000;
  run->samples = 20;
  run->twister = [Twister twisterWithSeed:42];
  return run;
}

+ (NSString *)decimalsOf:(double)x {
  char text[32];
  snprintf(text, sizeof text, "%.4f", x);
  return isnan(x) ? @"nan" : [NSString stringWithUTF8String:text];
}

+ (NSMutableData *)codePointsOf:(NSString *)asciiText {
  NSMutableData *points = [NSMutableData data];
  for (NSUInteger i = 0; i < [asciiText length]; i++) [points appendInteger:[asciiText characterAtIndex:i]];
  return points;
}

- (void)makeModelForVocabulary:(int32_t)vocabulary {
  Shape *shape = [Shape shape];
  NSMutableData *parameters = [NSMutableData data], *list = [NSMutableData data];
  shape->layers = 1;
  shape->heads = 4;
  shape->embedding = 16;
  shape->block = isSeed ? 8 : 16;
  shape->vocabulary = vocabulary;
  shape->squared = isSeed;
  [shape makeMatrices];
  for (int32_t t = 0; t < shape->block; t++) {
    [list appendInteger:t];
    [shape->attention addObject:[NSData dataWithData:list]];
  }
  for (Matrix *matrix in shape->matrices) {
    BOOL isOutput = [matrix->name hasSuffix:@"attn_wo"] || [matrix->name hasSuffix:@"mlp_fc2"];
    double sigma = !isSeed ? 0.08 : isOutput ? 0.0 : 0.02;
    for (int32_t i = 0; i < matrix->rows * matrix->columns; i++) [parameters appendDouble:[twister nextGauss:sigma]];
  }
  model = [Model modelWithShape:shape parameters:parameters];
  m = [NSMutableData dataWithLength:[parameters length]];
  v = [NSMutableData dataWithLength:[parameters length]];
}

- (Adam *)adam {
  Adam *adam = [Adam adam];
  adam->learningRate = 0.01;
  adam->beta1 = isSeed ? 0.9 : 0.85;
  adam->beta2 = isSeed ? 0.95 : 0.99;
  adam->epsilon = 1e-8;
  adam->cosine = isSeed;
  adam->steps = steps;
  return adam;
}

- (void)trainOn:(Dataset *)dataset printer:(id<LinePrinter>)printer {
  NSMutableArray *documents = dataset->documents;
  NSData *vocabulary = [dataset vocabulary];
  Adam *adam = [self adam];
  [twister shuffle:documents];
  [self makeModelForVocabulary:(int32_t)[vocabulary integerCount] + 1];
  for (NSString *line in [NSArray arrayWithObjects:
      [NSString stringWithFormat:@"num docs: %lu", (unsigned long)[documents count]],
      [NSString stringWithFormat:@"vocab size: %d", model->shape->vocabulary],
      [NSString stringWithFormat:@"num params: %d", model->shape->parameterCount], nil])
    [printer printLine:[Run codePointsOf:line]];
  for (int32_t s = 0; s < steps; s++) {
    NSAutoreleasePool *pool = [NSAutoreleasePool new];
    NSData *tokens = [dataset encode:[documents objectAtIndex:s % [documents count]] vocabulary:vocabulary];
    NSString *loss = [Run decimalsOf:[adam step:s model:model document:tokens m:m v:v]];
    NSString *line = [NSString stringWithFormat:@"step %4d / %4d | loss %@", s + 1, steps, loss];
    [printer printLine:[Run codePointsOf:line]];
    [pool drain];
  }
  [printer printLine:[NSData data]];
  [printer printLine:[Run codePointsOf:@"--- inference (new, hallucinated names) ---"]];
  for (int32_t i = 1; i <= samples; i++) {
    NSAutoreleasePool *pool = [NSAutoreleasePool new];
    NSMutableData *points = [Run codePointsOf:[NSString stringWithFormat:@"sample %2d: ", i]];
    NSData *tokens = [model sampleAtTemperature:0.5 twister:twister observer:nil];
    for (NSUInteger k = 0; k < [tokens integerCount]; k++)
      [points appendInteger:[vocabulary integers][[tokens integers][k]]];
    [printer printLine:points];
    [pool drain];
  }
}
@end
