#import "Microgpt.h"
#include <math.h>

NSString *const BadInput = @"BadInput";

@implementation NSData (Numbers)
- (const int32_t *)integers {
  return [self bytes];
}
- (NSUInteger)integerCount {
  return [self length] / sizeof(int32_t);
}
- (const double *)doubles {
  return [self bytes];
}
- (NSUInteger)doubleCount {
  return [self length] / sizeof(double);
}
@end

@implementation NSMutableData (Numbers)
+ (NSMutableData *)dataWithIntegers:(NSUInteger)count {
  return [self dataWithLength:count * sizeof(int32_t)];
}
+ (NSMutableData *)dataWithDoubles:(NSUInteger)count {
  return [self dataWithLength:count * sizeof(double)];
}
- (int32_t *)mutableIntegers {
  return [self mutableBytes];
}
- (double *)mutableDoubles {
  return [self mutableBytes];
}
- (void)appendInteger:(int32_t)integer {
  [self appendBytes:&integer length:sizeof integer];
}
- (void)appendDouble:(double)number {
  [self appendBytes:&number length:sizeof number];
}
@end

@implementation Twister

static uint32_t Mixed(const uint32_t *words, int i) { return words[i - 1] ^ words[i - 1] >> 30; }

+ (Twister *)twisterWithSeed:(uint32_t)seed {
  Twister *twister = [[self new] autorelease];
  uint32_t *words = twister->words;
  int i = 1;

  words[0] = 19650218;
  for (uint32_t k = 1; k < 624; k++) words[k] = 1812433253 * Mixed(words, k) + k;
  for (int k = 0; k < 624 + 623; k++) {
    words[i] = k < 624 ? (words[i] ^ Mixed(words, i) * 1664525) + seed : (words[i] ^ Mixed(words, i) * 1566083941) - i;
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
  NSMutableData *cumulative = [[weights mutableCopy] autorelease];
  double *sums = [cumulative mutableDoubles], u;
  int32_t low = 0, high = (int32_t)[weights doubleCount] - 1;

  for (int32_t i = 1; i <= high; i++) sums[i] += sums[i - 1];
  if (!(sums[high] > 0.0 && sums[high] < INFINITY))
    [NSException raise:BadInput format:@"the weights must have a finite total above 0"];
  u = [self nextRandom] * sums[high];
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
@synthesize gradients, values, size;

- (void)dealloc {
  free(entries);
  free(children);
  free(values);
  free(gradients);
  [visits release];
  [super dealloc];
}

- (void)setSize:(int32_t)count {
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

- (int32_t)leaf:(double)x {
  return [self node:x terms:0 local:0.0];
}

- (int32_t)apply:(double)value to:(int32_t)a local:(double)local {
  int32_t node = [self node:value terms:1 local:local];

  children[childCount++] = a;
  return node;
}

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

- (int32_t)add:(int32_t)a number:(double)c {
  return [self apply:values[a] + c to:a local:1.0];
}
- (int32_t)multiply:(int32_t)a number:(double)c {
  return [self apply:values[a] * c to:a local:c];
}
- (int32_t)negate:(int32_t)a {
  return [self multiply:a number:-1.0];
}

- (int32_t)raise:(int32_t)a to:(double)c {
  return [self apply:ExactPow(values[a], c) to:a local:c * ExactPow(values[a], c - 1.0)];
}

- (int32_t)expOf:(int32_t)a {
  double power = ExactExp(values[a]);

  return [self apply:power to:a local:power];
}

- (int32_t)logOf:(int32_t)a {
  return [self apply:ExactLog(values[a]) to:a local:1.0 / values[a]];
}

- (int32_t)reluOf:(int32_t)a {
  BOOL isOn = values[a] > 0.0;

  return [self apply:isOn ? values[a] : 0.0 to:a local:isOn ? 1.0 : 0.0];
}

- (int32_t)sum:(NSData *)nodes {
  int32_t count = (int32_t)[nodes integerCount], node = [self node:0.0 terms:count local:1.0];
  const int32_t *a = [nodes integers];
  double sum = 0.0;

  for (int32_t i = 0; i < count; i++) {
    sum += values[a[i]];
    children[childCount++] = a[i];
  }
  values[node] = sum;
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
  int32_t count = (int32_t)[logits integerCount];
  NSMutableData *exps = [NSMutableData dataWithIntegers:count], *result = [NSMutableData dataWithIntegers:count];
  const int32_t *x = [logits integers];
  double top = values[x[0]];

  for (int32_t i = 1; i < count; i++)
    if (values[x[i]] > top) top = values[x[i]];
  for (int32_t i = 0; i < count; i++) [exps mutableIntegers][i] = [self expOf:[self add:x[i] number:-top]];

  int32_t total = [self sum:exps];
  double inverse = 1.0 / values[total], local = -1.0 * ExactPow(values[total], -2.0);

  for (int32_t i = 0; i < count; i++)
    [result mutableIntegers][i] = [self multiply:[exps integers][i] by:[self apply:inverse to:total local:local]];
  return result;
}

/* The order is depth-first, without recursion: `next` is the child that a node visits next, or -1 before its visit. */
- (void)backwardFrom:(int32_t)root {
  if (visits == nil) visits = [NSMutableData new];
  [visits setLength:3 * (size_t)size * sizeof(int32_t)];

  int32_t *next = [visits mutableIntegers], *stack = next + size, *order = stack + size, depth = 1, count = 0;

  for (int32_t i = 0; i < size; i++) {
    next[i] = entries[i].terms > 0 ? -1 : 0; /* a leaf has nothing to visit */
    gradients[i] = 0.0;
  }
  stack[0] = root;
  next[root] = 0;
  while (depth > 0) {
    int32_t node = stack[depth - 1];
    const struct Entry *entry = entries + node;

    if (next[node] == (entry->isProduct ? 2 * entry->terms : entry->terms)) {
      order[count++] = node;
      depth--;
    } else {
      int32_t child = children[entry->first + next[node]++];

      if (next[child] < 0) {
        next[child] = 0;
        stack[depth++] = child;
      }
    }
  }
  gradients[root] = 1.0;
  while (count > 0) {
    const struct Entry *entry = entries + order[--count];
    const int32_t *child = children + entry->first;
    double gradient = gradients[order[count]];

    if (entry->isProduct)
      for (int32_t i = 0; i < 2 * entry->terms; i += 2) {
        gradients[child[i]] += values[child[i + 1]] * gradient;
        gradients[child[i + 1]] += values[child[i]] * gradient;
      }
    else
      for (int32_t i = 0; i < entry->terms; i++) gradients[child[i]] += entry->local * gradient;
  }
}
@end

@implementation Matrix
@synthesize name, rows, columns, first;

- (id)initWithName:(NSString *)aName rows:(int32_t)r columns:(int32_t)c first:(int32_t)node {
  if ((self = [super init])) {
    name = [aName copy];
    rows = r;
    columns = c;
    first = node;
  }
  return self;
}

- (void)dealloc {
  [name release];
  [super dealloc];
}

- (NSArray *)nodesOfRows {
  NSMutableArray *result = [NSMutableArray arrayWithCapacity:rows];

  for (int32_t i = 0; i < rows; i++) {
    NSMutableData *row = [NSMutableData dataWithIntegers:columns];

    for (int32_t j = 0; j < columns; j++) [row mutableIntegers][j] = first + i * columns + j;
    [result addObject:row];
  }
  return result;
}
@end

@implementation Shape
@synthesize layers, heads, embedding, block, vocabulary, squared, attention;

- (void)dealloc {
  [attention release];
  [super dealloc];
}

- (void)appendTo:(NSMutableArray *)matrices name:(NSString *)name rows:(int32_t)rows columns:(int32_t)columns {
  Matrix *last = [matrices lastObject];
  int32_t first = last.first + last.rows * last.columns;

  [matrices addObject:[[[Matrix alloc] initWithName:name rows:rows columns:columns first:first] autorelease]];
}

- (NSArray *)matrices {
  NSMutableArray *result = [NSMutableArray array];
  NSArray *squareNames = [NSArray arrayWithObjects:@"attn_wq", @"attn_wk", @"attn_wv", @"attn_wo", nil];

  [self appendTo:result name:@"wte" rows:vocabulary columns:embedding];
  [self appendTo:result name:@"wpe" rows:block columns:embedding];
  [self appendTo:result name:@"lm_head" rows:vocabulary columns:embedding];
  for (int32_t i = 0; i < layers; i++) {
    NSString *layer = [NSString stringWithFormat:@"layer%d.", i];

    for (NSString *name in squareNames)
      [self appendTo:result name:[layer stringByAppendingString:name] rows:embedding columns:embedding];
    [self appendTo:result name:[layer stringByAppendingString:@"mlp_fc1"] rows:4 * embedding columns:embedding];
    [self appendTo:result name:[layer stringByAppendingString:@"mlp_fc2"] rows:embedding columns:4 * embedding];
  }
  return result;
}

- (int32_t)parameterCount {
  Matrix *last = [[self matrices] lastObject];

  return last.first + last.rows * last.columns;
}
@end

@implementation Model
@synthesize shape, tape, parameterCount, observer;

- (id)initWithShape:(Shape *)aShape parameters:(NSData *)parameters {
  if ((self = [super init])) {
    NSMutableDictionary *all = [NSMutableDictionary dictionary];

    shape = [aShape retain];
    tape = [Tape new];
    parameterCount = (int32_t)[parameters doubleCount];
    for (int32_t i = 0; i < parameterCount; i++) [tape leaf:[parameters doubles][i]];
    for (Matrix *matrix in [shape matrices]) [all setObject:[matrix nodesOfRows] forKey:matrix.name];
    rows = [all copy];
    keys = [NSMutableArray new];
    values = [NSMutableArray new];
    for (int32_t i = 0; i < shape.layers * shape.heads; i++) {
      [keys addObject:[NSMutableArray array]];
      [values addObject:[NSMutableArray array]];
    }
  }
  return self;
}

- (void)dealloc {
  [shape release];
  [tape release];
  [rows release];
  [keys release];
  [values release];
  [super dealloc];
}

/* Begins a document: only the parameters remain. */
- (void)clear {
  tape.size = parameterCount;
  [keys makeObjectsPerformSelector:@selector(removeAllObjects)];
  [values makeObjectsPerformSelector:@selector(removeAllObjects)];
}

- (NSData *)rmsnorm:(NSData *)x {
  int32_t count = (int32_t)[x integerCount];
  int32_t mean = [tape multiply:[tape dot:x with:x] number:1.0 / (double)count];
  int32_t scale = [tape raise:[tape add:mean number:0.00001] to:-0.5];
  NSMutableData *result = [NSMutableData dataWithIntegers:count];

  for (int32_t i = 0; i < count; i++) [result mutableIntegers][i] = [tape multiply:[x integers][i] by:scale];
  return result;
}

- (NSData *)linear:(NSData *)x matrix:(NSString *)name layer:(int32_t)layer {
  NSArray *matrix = [rows objectForKey:layer < 0 ? name : [NSString stringWithFormat:@"layer%d.%@", layer, name]];
  NSMutableData *result = [NSMutableData dataWithIntegers:[matrix count]];
  int32_t *next = [result mutableIntegers];

  for (NSData *row in matrix) *next++ = [tape dot:row with:x];
  return result;
}

- (NSData *)add:(NSData *)x to:(NSData *)y {
  NSMutableData *result = [NSMutableData dataWithIntegers:[x integerCount]];

  for (NSUInteger i = 0; i < [x integerCount]; i++)
    [result mutableIntegers][i] = [tape add:[x integers][i] to:[y integers][i]];
  return result;
}

- (NSData *)activate:(NSData *)hidden {
  NSMutableData *result = [NSMutableData dataWithIntegers:[hidden integerCount]];

  for (NSUInteger i = 0; i < [hidden integerCount]; i++) {
    int32_t node = [tape reluOf:[hidden integers][i]];

    [result mutableIntegers][i] = shape.squared ? [tape raise:node to:2.0] : node;
  }
  return result;
}

/* What one head reads at position t: the keys and values of the positions in its list, mixed. */
- (NSData *)attend:(NSData *)q position:(int32_t)t layer:(int32_t)layer head:(int32_t)head {
  NSArray *headKeys = [keys objectAtIndex:layer * shape.heads + head];
  NSArray *headValues = [values objectAtIndex:layer * shape.heads + head];
  NSData *positions = [shape.attention objectAtIndex:t];
  NSUInteger count = [positions integerCount], size = [q integerCount];
  NSMutableData *scores = [NSMutableData dataWithIntegers:count], *mixed = [NSMutableData dataWithIntegers:size];
  NSMutableData *column = [NSMutableData dataWithIntegers:count];

  for (NSUInteger s = 0; s < count; s++) {
    int32_t product = [tape dot:q with:[headKeys objectAtIndex:[positions integers][s]]];

    [scores mutableIntegers][s] = [tape multiply:product number:1.0 / sqrt((double)size)];
  }
  [observer model:self computed:@"scores" nodes:scores position:t layer:layer head:head];

  NSData *weights = [tape softmax:scores];

  [observer model:self computed:@"weights" nodes:weights position:t layer:layer head:head];
  for (NSUInteger j = 0; j < size; j++) {
    for (NSUInteger s = 0; s < count; s++)
      [column mutableIntegers][s] = [[headValues objectAtIndex:[positions integers][s]] integers][j];
    [mixed mutableIntegers][j] = [tape dot:weights with:column];
  }
  [observer model:self computed:@"mixed" nodes:mixed position:t layer:layer head:head];
  return mixed;
}

- (NSData *)layer:(int32_t)layer of:(NSData *)x position:(int32_t)t {
  NSData *normed = [self rmsnorm:x], *q, *k, *v, *y;
  NSMutableData *mixed = [NSMutableData data];
  NSUInteger size = shape.embedding / shape.heads * sizeof(int32_t);

  [observer model:self computed:@"attn_norm" nodes:normed position:t layer:layer head:-1];
  q = [self linear:normed matrix:@"attn_wq" layer:layer];
  k = [self linear:normed matrix:@"attn_wk" layer:layer];
  v = [self linear:normed matrix:@"attn_wv" layer:layer];
  [observer model:self computed:@"q" nodes:q position:t layer:layer head:-1];
  [observer model:self computed:@"k" nodes:k position:t layer:layer head:-1];
  [observer model:self computed:@"v" nodes:v position:t layer:layer head:-1];
  for (int32_t head = 0; head < shape.heads; head++) {
    NSRange part = NSMakeRange(head * size, size);

    [[keys objectAtIndex:layer * shape.heads + head] addObject:[k subdataWithRange:part]];
    [[values objectAtIndex:layer * shape.heads + head] addObject:[v subdataWithRange:part]];
    [mixed appendData:[self attend:[q subdataWithRange:part] position:t layer:layer head:head]];
  }
  y = [self linear:mixed matrix:@"attn_wo" layer:layer];
  [observer model:self computed:@"attn_out" nodes:y position:t layer:layer head:-1];
  x = [self add:y to:x];
  [observer model:self computed:@"attn_residual" nodes:x position:t layer:layer head:-1];
  y = [self rmsnorm:x];
  [observer model:self computed:@"mlp_norm" nodes:y position:t layer:layer head:-1];
  y = [self linear:y matrix:@"mlp_fc1" layer:layer];
  [observer model:self computed:@"hidden" nodes:y position:t layer:layer head:-1];
  y = [self activate:y];
  [observer model:self computed:@"activated" nodes:y position:t layer:layer head:-1];
  y = [self linear:y matrix:@"mlp_fc2" layer:layer];
  [observer model:self computed:@"mlp_out" nodes:y position:t layer:layer head:-1];
  x = [self add:y to:x];
  [observer model:self computed:@"mlp_residual" nodes:x position:t layer:layer head:-1];
  return x;
}

- (NSData *)logitsOfToken:(int32_t)token position:(int32_t)t {
  NSData *x = [self add:[[rows objectForKey:@"wte"] objectAtIndex:token]
                     to:[[rows objectForKey:@"wpe"] objectAtIndex:t]];

  [observer model:self computed:@"embedded" nodes:x position:t layer:-1 head:-1];
  x = [self rmsnorm:x];
  [observer model:self computed:@"normed" nodes:x position:t layer:-1 head:-1];
  for (int32_t layer = 0; layer < shape.layers; layer++) x = [self layer:layer of:x position:t];
  x = [self linear:x matrix:@"lm_head" layer:-1];
  [observer model:self computed:@"logits" nodes:x position:t layer:-1 head:-1];
  return x;
}

- (int32_t)lossOfDocument:(NSData *)tokens {
  int32_t count = MIN(shape.block, (int32_t)[tokens integerCount] - 1);
  NSMutableData *losses = [NSMutableData dataWithIntegers:count];

  [self clear];
  for (int32_t t = 0; t < count; t++) {
    NSAutoreleasePool *pool = [NSAutoreleasePool new];
    NSData *probabilities = [tape softmax:[self logitsOfToken:[tokens integers][t] position:t]];
    int32_t *loss = [losses mutableIntegers] + t;

    *loss = [tape negate:[tape logOf:[probabilities integers][[tokens integers][t + 1]]]];
    [observer model:self computed:@"probabilities" nodes:probabilities position:t layer:-1 head:-1];
    [observer model:self
           computed:@"loss"
              nodes:[NSData dataWithBytes:loss length:sizeof *loss]
           position:t
              layer:-1
               head:-1];
    [pool drain];
  }
  return [tape multiply:[tape sum:losses] number:1.0 / (double)count];
}

- (NSData *)sampleAtTemperature:(double)temperature twister:(Twister *)twister observer:(id<DrawObserver>)witness {
  int32_t bos = shape.vocabulary - 1, token = bos;
  NSMutableData *sample = [NSMutableData data];

  [self clear];
  for (int32_t t = 0; t < shape.block; t++) {
    NSMutableData *scaled = [[[self logitsOfToken:token position:t] mutableCopy] autorelease];
    NSMutableData *probabilities = [NSMutableData dataWithDoubles:shape.vocabulary];

    for (int32_t i = 0; i < shape.vocabulary; i++)
      [scaled mutableIntegers][i] = [tape multiply:[scaled integers][i] number:1.0 / temperature];

    NSData *nodes = [tape softmax:scaled];

    for (int32_t i = 0; i < shape.vocabulary; i++) [probabilities mutableDoubles][i] = tape.values[[nodes integers][i]];
    token = [twister chooseByWeights:probabilities];
    [witness drew:token fromProbabilities:probabilities];
    if (token == bos) break;
    [sample appendInteger:token];
  }
  return sample;
}
@end

@implementation Optimizer
@synthesize learningRate, beta1, beta2, epsilon, cosine, steps;

- (double)rateOfStep:(int32_t)step {
  if (cosine) return learningRate * 0.5 * (1.0 + ExactCos(M_PI * step / steps));
  return learningRate * (1.0 - (double)step / steps);
}

- (double)correctionOf:(double)beta step:(int32_t)step {
  return 1.0 - ExactPow(beta, step + 1.0);
}

- (void)step:(int32_t)step
    parameters:(double *)p
     gradients:(const double *)g
             m:(NSMutableData *)m
             v:(NSMutableData *)v {
  double rate = [self rateOfStep:step];
  double correction1 = [self correctionOf:beta1 step:step], correction2 = [self correctionOf:beta2 step:step];
  double *first = [m mutableDoubles], *second = [v mutableDoubles];

  for (NSUInteger i = 0; i < [m doubleCount]; i++) {
    first[i] = beta1 * first[i] + (1.0 - beta1) * g[i];
    second[i] = beta2 * second[i] + (1.0 - beta2) * (g[i] * g[i]);

    double square = second[i] / correction2, root = square > 0.0 ? sqrt(square) : ExactPow(square, 0.5);

    p[i] -= rate * (first[i] / correction1) / (root + epsilon);
  }
}

- (double)step:(int32_t)step model:(Model *)model document:(NSData *)tokens m:(NSMutableData *)m v:(NSMutableData *)v {
  int32_t root = [model lossOfDocument:tokens];
  double loss = model.tape.values[root];

  [model.tape backwardFrom:root];
  [self step:step parameters:model.tape.values gradients:model.tape.gradients m:m v:v];
  return loss;
}
@end

@implementation Dataset
@synthesize documents;

- (id)init {
  if ((self = [super init])) documents = [NSMutableArray new];
  return self;
}

- (void)dealloc {
  [documents release];
  [super dealloc];
}

static BOOL IsSpace(int32_t point) { return point == 32 || (point >= 9 && point <= 13); }

- (void)addLine:(NSData *)codePoints {
  const int32_t *points = [codePoints integers];
  NSUInteger first = 0, end = [codePoints integerCount];

  while (first < end && IsSpace(points[first])) first++;
  while (end > first && IsSpace(points[end - 1])) end--;
  if (end > first) [documents addObject:[NSData dataWithBytes:points + first length:(end - first) * sizeof *points]];
}

- (NSData *)vocabulary {
  NSMutableIndexSet *known = [NSMutableIndexSet indexSet];
  NSMutableData *vocabulary = [NSMutableData data];

  if ([documents count] == 0) [NSException raise:BadInput format:@"the dataset has no documents"];
  for (NSData *document in documents)
    for (NSUInteger i = 0; i < [document integerCount]; i++) [known addIndex:[document integers][i]];
  if ([known count] > 2047) [NSException raise:BadInput format:@"the dataset has more than 2047 distinct characters"];
  for (NSUInteger point = [known firstIndex]; point != NSNotFound; point = [known indexGreaterThanIndex:point])
    [vocabulary appendInteger:(int32_t)point];
  return vocabulary;
}

static int Compare(const void *a, const void *b) { return *(const int32_t *)a - *(const int32_t *)b; }

- (NSData *)encode:(NSData *)document vocabulary:(NSData *)vocabulary {
  NSMutableData *tokens = [NSMutableData data];
  int32_t bos = (int32_t)[vocabulary integerCount];

  [tokens appendInteger:bos];
  for (NSUInteger i = 0; i < [document integerCount]; i++) {
    const int32_t *all = [vocabulary integers];
    const int32_t *found = bsearch([document integers] + i, all, bos, sizeof *all, Compare);

    [tokens appendInteger:(int32_t)(found - all)];
  }
  [tokens appendInteger:bos];
  return tokens;
}
@end

@implementation Run
@synthesize steps, samples, twister, model, m, v;

+ (NSArray *)presets {
  return [NSArray arrayWithObjects:@"seed", @"classic", nil];
}

+ (NSString *)decimalsOf:(double)x {
  char text[32];

  if (isnan(x)) return @"nan";
  snprintf(text, sizeof text, "%.4f", x);
  return [NSString stringWithUTF8String:text];
}

+ (NSMutableData *)codePointsOf:(NSString *)asciiText {
  NSMutableData *points = [NSMutableData data];

  for (NSUInteger i = 0; i < [asciiText length]; i++) [points appendInteger:[asciiText characterAtIndex:i]];
  return points;
}

- (id)initWithPreset:(NSString *)name {
  if ((self = [super init])) {
    preset = [name copy];
    steps = [name isEqualToString:@"seed"] ? 500 : 1000;
    samples = 20;
    twister = [[Twister twisterWithSeed:42] retain];
  }
  return self;
}

- (void)dealloc {
  [preset release];
  [twister release];
  [model release];
  [m release];
  [v release];
  [super dealloc];
}

/* Draws the parameters of a new model. */
- (void)makeModelForVocabulary:(int32_t)vocabulary {
  BOOL isSeed = [preset isEqualToString:@"seed"];
  Shape *shape = [[Shape new] autorelease];
  NSMutableArray *attention = [NSMutableArray array];
  NSMutableData *parameters = [NSMutableData data];

  shape.layers = 1;
  shape.heads = 4;
  shape.embedding = 16;
  [shape setBlock:isSeed ? 8 : 16];
  shape.vocabulary = vocabulary;
  shape.squared = isSeed;
  for (int32_t t = 0; t < shape.block; t++) {
    NSMutableData *positions = [NSMutableData dataWithIntegers:t + 1];

    for (int32_t s = 0; s <= t; s++) [positions mutableIntegers][s] = s;
    [attention addObject:positions];
  }
  shape.attention = attention;
  for (Matrix *matrix in [shape matrices]) {
    BOOL isOutput = [matrix.name hasSuffix:@"attn_wo"] || [matrix.name hasSuffix:@"mlp_fc2"];
    double sigma = !isSeed ? 0.08 : isOutput ? 0.0 : 0.02;

    for (int32_t i = 0; i < matrix.rows * matrix.columns; i++) [parameters appendDouble:[twister nextGauss:sigma]];
  }
  model = [[Model alloc] initWithShape:shape parameters:parameters];
  m = [[NSMutableData alloc] initWithLength:[parameters length]];
  v = [[NSMutableData alloc] initWithLength:[parameters length]];
}

- (Optimizer *)optimizer {
  BOOL isSeed = [preset isEqualToString:@"seed"];
  Optimizer *optimizer = [[Optimizer new] autorelease];

  optimizer.learningRate = 0.01;
  [optimizer setBeta1:isSeed ? 0.9 : 0.85];
  [optimizer setBeta2:isSeed ? 0.95 : 0.99];
  optimizer.epsilon = 1e-8;
  optimizer.cosine = isSeed;
  optimizer.steps = steps;
  return optimizer;
}

- (void)trainOn:(Dataset *)dataset printer:(id<LinePrinter>)printer {
  NSData *vocabulary = [dataset vocabulary];
  NSArray *documents = dataset.documents;
  Optimizer *optimizer = [self optimizer];
  NSString *line;

  [twister shuffle:dataset.documents];
  [self makeModelForVocabulary:(int32_t)[vocabulary integerCount] + 1];
  line = [NSString stringWithFormat:@"num docs: %lu", (unsigned long)[documents count]];
  [printer printLine:[Run codePointsOf:line]];
  [printer printLine:[Run codePointsOf:[NSString stringWithFormat:@"vocab size: %d", model.shape.vocabulary]]];
  [printer printLine:[Run codePointsOf:[NSString stringWithFormat:@"num params: %d", model.parameterCount]]];
  for (int32_t s = 0; s < steps; s++) {
    NSAutoreleasePool *pool = [NSAutoreleasePool new];
    NSData *document = [documents objectAtIndex:s % [documents count]];
    double loss = [optimizer step:s model:model document:[dataset encode:document vocabulary:vocabulary] m:m v:v];

    line = [NSString stringWithFormat:@"step %4d / %4d | loss %@", s + 1, steps, [Run decimalsOf:loss]];
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
