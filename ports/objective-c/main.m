/* The port objective-c of microgpt: a class method for each verb, and the command line. */
#import "Protocol.h"
#include <math.h>

@interface Verbs : NSObject
+ (NSArray *)names;
@end

@implementation Verbs
+ (NSArray *)names {
  return
      [@"hello arith math random tokens graph forward backward adam train sample run" componentsSeparatedByString:@" "];
}

+ (void)hello:(Request *)request reply:(Reply *)reply {
  [request finish];
  [reply put:@"name objective-c"];
  [reply put:@"protocol 1"];
  [reply put:[@"verbs " stringByAppendingString:[[self names] componentsJoinedByString:@" "]]];
  [reply put:@"math exact"];
}

static void __attribute__((noreturn)) RefuseLine(void) { Refuse(@"an unknown key, or values that it does not take"); }

static double Arithmetic(Line *line) {
  NSString *key = line->key;
  NSData *data = [line doublesFrom:0];
  const double *x = [data doubles];
  NSUInteger count = [line->values count];
  double total = 0.0;
  if ([line is:@"add" count:2]) return x[0] + x[1];
  if ([line is:@"sub" count:2]) return x[0] - x[1];
  if ([line is:@"mul" count:2]) return x[0] * x[1];
  if ([line is:@"div" count:2]) return x[0] / x[1];
  if ([line is:@"sqrt" count:1]) return sqrt(x[0]);
  if ([line is:@"muladd" count:3]) return x[0] * x[1] + x[2];
  if ([key isEqualToString:@"sum"] && count > 0)
    for (NSUInteger i = 0; i < count; i++) total += x[i];
  else if ([key isEqualToString:@"dot"] && count > 0 && count % 2 == 0)
    for (NSUInteger i = 0; i < count; i += 2) total += x[i] * x[i + 1];
  else RefuseLine();
  return total;
}

+ (void)arith:(Request *)request reply:(Reply *)reply {
  do {
    Line *line = [request next];
    if ([line is:@"decimals" count:1]) {
      double x = [line doubleAt:0];
      if (fabs(x) > 0x1p53 && !isinf(x)) RefuseLine();
      [reply put:line->key integers:[Run codePointsOf:[Run decimalsOf:x]]];
    } else {
      [reply put:line->key double:Arithmetic(line)];
    }
  } while (![request isAtEnd]);
}

static double Exponent(Line *line, double limit) {
  double c = [line doubleAt:1];
  if (!(fabs(c) <= limit && floor(2.0 * c) == 2.0 * c)) RefuseLine();
  return c;
}

+ (void)math:(Request *)request reply:(Reply *)reply {
  [request takeMath];
  do {
    Line *line = [request next];
    double x = [line->values count] > 0 ? [line doubleAt:0] : 0.0, result = 0.0;
    if ([line is:@"exp" count:1]) result = ExactExp(x);
    else if ([line is:@"log" count:1]) result = ExactLog(x);
    else if ([line is:@"sin" count:1] && !(fabs(x) > 8.0)) result = ExactSin(x);
    else if ([line is:@"cos" count:1] && !(fabs(x) > 8.0)) result = ExactCos(x);
    else if ([line is:@"pow" count:2]) result = ExactPow(x, Exponent(line, 4096.0));
    else RefuseLine();
    [reply put:line->key double:result];
  } while (![request isAtEnd]);
}

static void Draw(Line *line, Twister *twister, Reply *reply) {
  NSMutableData *integers = [NSMutableData data], *doubles = [NSMutableData data];
  BOOL isShuffle = [line is:@"shuffle" count:1];
  int64_t count = [line->values count] > 0 ? [line integerAt:0 from:0 to:isShuffle ? 10000 : 1000] : 0;
  if ([line is:@"words" count:1]) {
    while (count-- > 0) [integers appendInteger:(int32_t)[twister nextWord]];
  } else if ([line is:@"random" count:1]) {
    while (count-- > 0) [doubles appendDouble:[twister nextRandom]];
  } else if ([line is:@"gauss" count:2]) {
    double sigma = [line doubleAt:1];
    while (count-- > 0) [doubles appendDouble:[twister nextGauss:sigma]];
  } else if ([line->key isEqualToString:@"choices"] && [line->values count] >= 2 && [line->values count] <= 1001) {
    NSData *weights = [line doublesFrom:1];
    while (count-- > 0) [integers appendInteger:[twister chooseByWeights:weights]];
  } else if (isShuffle) {
    NSMutableArray *items = [NSMutableArray array];
    for (int i = 0; i < count; i++) [items addObject:[NSNumber numberWithInt:i]];
    [twister shuffle:items];
    for (NSNumber *item in items) [integers appendInteger:[item intValue]];
  } else if ([line is:@"state" count:0]) {
    [integers appendInteger:(int32_t)twister->index];
    [integers appendBytes:twister->words length:sizeof twister->words];
  } else {
    RefuseLine();
  }
  if ([doubles length] > 0) [reply put:line->key doubles:[doubles doubles] count:[doubles doubleCount]];
  else [reply put:line->key integers:integers];
  if ([line is:@"state" count:0] && twister->hasKept) [reply put:@"kept" double:twister->kept];
  else if ([line is:@"state" count:0]) [reply put:@"kept none"];
}

+ (void)random:(Request *)request reply:(Reply *)reply {
  [request takeMath];
  Twister *twister = [Twister twisterWithSeed:(uint32_t)[request takeInteger:@"seed" from:0 to:UINT32_MAX]];
  do Draw([request next], twister, reply);
  while (![request isAtEnd]);
}

static Dataset *TakeDataset(Request *request) {
  Dataset *dataset = [Dataset dataset];
  do {
    NSAutoreleasePool *pool = [NSAutoreleasePool new];
    Line *line = [request take:@"line"];
    NSData *points = [line integersFrom:0 to:0x10ffff];
    for (NSUInteger i = 0; i < [points integerCount]; i++)
      if ([points integers][i] >> 11 == 0x1b) Refuse(@"a surrogate is no character");
    if ([line->values count] > 10000) Refuse(@"a line has at most 10000 code points");
    [dataset addLine:points];
    [pool drain];
  } while (![request isAtEnd]);
  return dataset;
}

+ (void)tokens:(Request *)request reply:(Reply *)reply {
  Dataset *dataset = TakeDataset(request);
  NSData *vocabulary = [dataset vocabulary];
  [reply put:[NSString stringWithFormat:@"documents %lu", (unsigned long)[dataset->documents count]]];
  [reply put:@"vocabulary" integers:vocabulary];
  [reply put:[NSString stringWithFormat:@"bos %lu", (unsigned long)[vocabulary integerCount]]];
  for (NSData *document in dataset->documents) {
    NSAutoreleasePool *pool = [NSAutoreleasePool new];
    [reply put:@"encoded" integers:[dataset encode:document vocabulary:vocabulary]];
    [pool drain];
  }
}

static int32_t NodeAt(NSData *nodes, Line *line, NSUInteger place) {
  return [nodes integers][[line integerAt:place from:0 to:(int64_t)[nodes integerCount] - 1]];
}

static int32_t Expression(Tape *tape, NSData *nodes, Line *line) {
  if ([line is:@"leaf" count:1]) return [tape leaf:[line doubleAt:0]];
  if ([line->key isEqualToString:@"sum"] && [line->values count] > 0) {
    int32_t sum = [tape add:NodeAt(nodes, line, 0) number:0.0];
    for (NSUInteger i = 1; i < [line->values count]; i++) sum = [tape add:sum to:NodeAt(nodes, line, i)];
    return sum;
  }
  if ([line is:@"number_sub" count:2]) return [tape add:[tape negate:NodeAt(nodes, line, 1)] number:[line doubleAt:0]];
  if ([line is:@"number_div" count:2])
    return [tape multiply:[tape raise:NodeAt(nodes, line, 1) to:-1.0] number:[line doubleAt:0]];
  if ([line->values count] == 0) RefuseLine();
  int32_t a = NodeAt(nodes, line, 0);
  if ([line is:@"neg" count:1]) return [tape negate:a];
  if ([line is:@"exp" count:1]) return [tape expOf:a];
  if ([line is:@"log" count:1]) return [tape logOf:a];
  if ([line is:@"relu" count:1]) return [tape reluOf:a];
  if ([line is:@"add_number" count:2]) return [tape add:a number:[line doubleAt:1]];
  if ([line is:@"sub_number" count:2]) return [tape add:a number:-[line doubleAt:1]];
  if ([line is:@"mul_number" count:2]) return [tape multiply:a number:[line doubleAt:1]];
  if ([line is:@"div_number" count:2]) return [tape multiply:a number:1.0 / [line doubleAt:1]];
  if ([line is:@"pow" count:2]) return [tape raise:a to:Exponent(line, 1024.0)];
  if ([line->values count] != 2) RefuseLine();
  int32_t b = NodeAt(nodes, line, 1);
  if ([line->key isEqualToString:@"add"]) return [tape add:a to:b];
  if ([line->key isEqualToString:@"sub"]) return [tape add:a to:[tape negate:b]];
  if ([line->key isEqualToString:@"mul"]) return [tape multiply:a by:b];
  if ([line->key isEqualToString:@"div"]) return [tape multiply:a by:[tape raise:b to:-1.0]];
  RefuseLine();
}

+ (void)graph:(Request *)request reply:(Reply *)reply {
  Tape *tape = [Tape tape];
  NSMutableData *nodes = [NSMutableData data];
  [request takeMath];
  while (![request nextIs:@"root"]) {
    NSAutoreleasePool *pool = [NSAutoreleasePool new];
    [nodes appendInteger:Expression(tape, nodes, [request next])];
    [pool drain];
  }
  int64_t root = [request takeInteger:@"root" from:0 to:(int64_t)[nodes integerCount] - 1];
  [request finish];
  [tape backwardFrom:[nodes integers][root]];
  for (NSUInteger i = 0; i < [nodes integerCount]; i++) [reply put:@"value" double:tape->values[[nodes integers][i]]];
  for (NSUInteger i = 0; i < [nodes integerCount]; i++)
    [reply put:@"gradient" double:tape->gradients[[nodes integers][i]]];
}

static Shape *TakeShape(Request *request) {
  Shape *shape = [Shape shape];
  [request takeMath];
  shape->layers = (int32_t)[request takeInteger:@"layers" from:1 to:16];
  shape->heads = (int32_t)[request takeInteger:@"heads" from:1 to:64];
  shape->embedding = (int32_t)[request takeInteger:@"embedding" from:1 to:512];
  if (shape->embedding % shape->heads != 0) Refuse(@"embedding must be a multiple of heads");
  shape->block = (int32_t)[request takeInteger:@"block" from:1 to:1024];
  shape->vocabulary = (int32_t)[request takeInteger:@"vocabulary" from:2 to:2048];
  shape->squared = [request takeChoice:@"activation" of:[NSArray arrayWithObjects:@"relu", @"squared_relu", nil]] == 1;
  for (int32_t t = 0; t < shape->block; t++) {
    NSData *positions = [[request take:@"attend"] integersFrom:0 to:t];
    NSUInteger count = [positions integerCount];
    BOOL isRight = count > 0 && [positions integers][count - 1] == t;
    for (NSUInteger i = 1; i < count; i++) isRight = isRight && [positions integers][i - 1] < [positions integers][i];
    if (!isRight) Refuse(@"attend must increase, and end with its own position %d", t);
    [shape->attention addObject:positions];
  }
  [shape makeMatrices];
  return shape;
}

static NSData *TakeDocument(Request *request, Shape *shape) {
  NSData *tokens = [[request take:@"tokens"] integersFrom:0 to:shape->vocabulary - 1];
  if ([tokens integerCount] < 2) Refuse(@"tokens takes two or more");
  return tokens;
}

static Model *TakeModel(Request *request, Shape *shape) {
  NSData *parameters = [request takeMatricesOf:shape prefix:@""];
  return [Model modelWithShape:shape parameters:parameters];
}

+ (void)forward:(Request *)request reply:(Reply *)reply {
  Shape *shape = TakeShape(request);
  NSData *tokens = TakeDocument(request, shape);
  Model *model = TakeModel(request, shape);
  [request finish];
  model->observer = reply;
  int32_t loss = [model lossOfDocument:tokens];
  [reply put:@"loss" double:model->tape->values[loss]];
}

+ (void)backward:(Request *)request reply:(Reply *)reply {
  Shape *shape = TakeShape(request);
  NSData *tokens = TakeDocument(request, shape);
  Model *model = TakeModel(request, shape);
  [request finish];
  int32_t loss = [model lossOfDocument:tokens];
  [model->tape backwardFrom:loss];
  [reply put:@"loss" double:model->tape->values[loss]];
  [reply putMatricesOf:shape prefix:@"" doubles:model->tape->gradients];
}

static Adam *TakeAdam(Request *request) {
  Adam *adam = [Adam adam];
  adam->learningRate = [request takeDouble:@"learning_rate"];
  adam->beta1 = [request takeDouble:@"beta1"];
  adam->beta2 = [request takeDouble:@"beta2"];
  adam->epsilon = [request takeDouble:@"epsilon"];
  adam->cosine = [request takeChoice:@"schedule" of:[NSArray arrayWithObjects:@"linear", @"cosine", nil]] == 1;
  adam->steps = (int32_t)[request takeInteger:@"steps" from:1 to:4096];
  return adam;
}

+ (void)adam:(Request *)request reply:(Reply *)reply {
  [request takeMath];
  Adam *adam = TakeAdam(request);
  int32_t step = (int32_t)[request takeInteger:@"step" from:0 to:adam->steps - 1], rows = 0, columns = 0;
  NSMutableData *p = [request takeTensor:@"parameters" rows:&rows columns:&columns];
  NSMutableData *g = [request takeTensor:@"gradients" rows:&rows columns:&columns];
  NSMutableData *m = [request takeTensor:@"m" rows:&rows columns:&columns];
  NSMutableData *v = [request takeTensor:@"v" rows:&rows columns:&columns];
  [request finish];
  [adam step:step p:[p mutableBytes] g:[g doubles] m:m v:v];
  [reply put:@"rate" double:[adam rateOfStep:step]];
  [reply put:@"correction1" double:[adam correctionOf:adam->beta1 step:step]];
  [reply put:@"correction2" double:[adam correctionOf:adam->beta2 step:step]];
  [reply putTensor:@"m" rows:rows columns:columns doubles:[m doubles]];
  [reply putTensor:@"v" rows:rows columns:columns doubles:[v doubles]];
  [reply putTensor:@"parameters" rows:rows columns:columns doubles:[p doubles]];
}

+ (void)train:(Request *)request reply:(Reply *)reply {
  Shape *shape = TakeShape(request);
  Adam *adam = TakeAdam(request);
  int32_t from = (int32_t)[request takeInteger:@"from" from:0 to:adam->steps - 1];
  int32_t end = from + (int32_t)[request takeInteger:@"count" from:1 to:adam->steps - from];
  NSData *full = [[request take:@"full"] integersFrom:from to:end - 1];
  NSMutableArray *documents = [NSMutableArray array];
  NSUInteger nextFull = 0, count;
  for (NSUInteger i = 1; i < [full integerCount]; i++)
    if ([full integers][i] <= [full integers][i - 1]) Refuse(@"full must increase");
  do [documents addObject:TakeDocument(request, shape)];
  while ([request nextIs:@"tokens"]);
  Model *model = TakeModel(request, shape);
  count = (NSUInteger)shape->parameterCount;
  NSMutableData *m = from > 0 ? [request takeMatricesOf:shape prefix:@"m."] : [NSMutableData dataWithDoubles:count];
  NSMutableData *v = from > 0 ? [request takeMatricesOf:shape prefix:@"v."] : [NSMutableData dataWithDoubles:count];
  [request finish];
  for (int32_t step = from; step < end; step++) {
    NSAutoreleasePool *pool = [NSAutoreleasePool new];
    NSData *document = [documents objectAtIndex:(NSUInteger)step % [documents count]];
    double loss = [adam step:step model:model document:document m:m v:v];
    const double *numbers[] = {model->tape->gradients, [m doubles], [v doubles], model->tape->values};
    NSString *keys[] = {@"gradients", @"m", @"v", @"parameters"};
    [reply put:[NSString stringWithFormat:@"step %d", step]];
    [reply put:@"loss" double:loss];
    for (int i = 0; i < 4; i++) [reply put:keys[i] checksumOf:numbers[i] count:count];
    if (nextFull < [full integerCount] && [full integers][nextFull] == step) {
      nextFull++;
      for (int i = 0; i < 4; i++)
        [reply putMatricesOf:shape prefix:[keys[i] stringByAppendingString:@"."] doubles:numbers[i]];
    }
    [pool drain];
  }
}

+ (void)sample:(Request *)request reply:(Reply *)reply {
  Shape *shape = TakeShape(request);
  double temperature = [request takeDouble:@"temperature"];
  int32_t samples = (int32_t)[request takeInteger:@"samples" from:0 to:1000];
  Model *model = TakeModel(request, shape);
  Twister *twister = [[Twister new] autorelease];
  Line *state = [request take:@"state"];
  if ([state->values count] != 625) RefuseLine();
  twister->index = (unsigned)[state integerAt:0 from:0 to:624];
  for (NSUInteger i = 0; i < 624; i++) twister->words[i] = (uint32_t)[state integerAt:i + 1 from:0 to:UINT32_MAX];
  Line *kept = [request take:@"kept"];
  if ([kept->values count] != 1) RefuseLine();
  twister->hasKept = ![[kept->values objectAtIndex:0] isEqualToString:@"none"];
  if (twister->hasKept) twister->kept = [kept doubleAt:0];
  [request finish];
  for (int32_t i = 0; i < samples; i++) {
    NSAutoreleasePool *pool = [NSAutoreleasePool new];
    [reply put:[NSString stringWithFormat:@"sample %d", i]];
    [model sampleAtTemperature:temperature twister:twister observer:reply];
    [pool drain];
  }
  [reply put:[NSString stringWithFormat:@"word %u", [twister nextWord]]];
}

+ (void)run:(Request *)request reply:(Reply *)reply {
  [request takeMath];
  NSString *preset = [[Run presets] objectAtIndex:[request takeChoice:@"preset" of:[Run presets]]];
  Run *run = [Run runOfPreset:preset];
  run->steps = (int32_t)[request takeInteger:@"steps" from:1 to:4096];
  run->samples = (int32_t)[request takeInteger:@"samples" from:0 to:1000];
  [run trainOn:TakeDataset(request) printer:reply];
  [reply put:@"parameters" checksumOf:run->model->tape->values count:run->model->shape->parameterCount];
  [reply put:@"m" checksumOf:[run->m doubles] count:[run->m doubleCount]];
  [reply put:@"v" checksumOf:[run->v doubles] count:[run->v doubleCount]];
  [reply put:[NSString stringWithFormat:@"word %u", [run->twister nextWord]]];
}
@end

static void Send(NSData *text) {
  fwrite([text bytes], 1, [text length], stdout);
  fflush(stdout);
}

/* The reply is known before it is sent, since a request can be wrong at its last line. */
static NSData *Answer(Request *request) {
  Reply *reply = [Reply reply];
  @try {
    if (request->identifier == nil) Refuse(@"expected a verb and an id");
    if (!request->isComplete) Refuse(@"the input ended before the line end");
    if (![[Verbs names] containsObject:request->verb]) Refuse(@"unsupported");
    [reply put:[@"ok " stringByAppendingString:request->identifier]];
    [Verbs performSelector:NSSelectorFromString([request->verb stringByAppendingString:@":reply:"])
                withObject:request
                withObject:reply];
  } @catch (NSException *problem) {
    NSString *identifier = request->identifier != nil ? request->identifier : @"-";
    reply = [Reply reply];
    [reply put:[NSString stringWithFormat:@"error %@ %@", identifier, [problem reason]]];
  }
  [reply put:@"end"];
  return reply->text;
}

static void AnswerRequests(void) {
  BOOL isOver = NO;
  while (!isOver) {
    NSAutoreleasePool *pool = [NSAutoreleasePool new];
    Request *request = [Request read];
    isOver = request == nil;
    if (!isOver) Send(Answer(request));
    [pool drain];
  }
}

/* For people: UTF-8 in and out. */
@interface Console : NSObject <LinePrinter>
@end

@implementation Console
- (void)printLine:(NSData *)codePoints {
  NSMutableData *text = [NSMutableData data];
  for (NSUInteger i = 0; i < [codePoints integerCount]; i++) {
    int32_t c = [codePoints integers][i], more = c < 0x80 ? 0 : c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    uint8_t byte = more == 0 ? (uint8_t)c : (uint8_t)(0xff00 >> (more + 1) | c >> 6 * more);
    [text appendBytes:&byte length:1];
    while (more-- > 0) {
      byte = 0x80 | (c >> 6 * more & 0x3f);
      [text appendBytes:&byte length:1];
    }
  }
  [text appendBytes:"\n" length:1];
  Send(text);
}

+ (NSData *)codePointsOf:(const uint8_t *)text length:(size_t)length {
  static const int32_t least[] = {0, 0x80, 0x800, 0x10000}; /* that takes so many more bytes */
  NSMutableData *points = [NSMutableData data];
  for (const uint8_t *end = text + length; text < end;) {
    int32_t c = *text++, more = c < 0x80 ? 0 : c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3, left = more;
    BOOL isRight = more == 0 || (c >= 0xc0 && c < 0xf8);
    if (more > 0) c &= 0x3f >> more;
    for (; left > 0 && text < end && *text >> 6 == 2; left--) c = c << 6 | (*text++ & 0x3f);
    if (!isRight || left > 0 || c < least[more] || c > 0x10ffff || c >> 11 == 0x1b)
      Refuse(@"the input is not UTF-8");
    [points appendInteger:c];
  }
  return points;
}

+ (void)runPreset:(NSString *)preset {
  Dataset *dataset = [Dataset dataset];
  char *line = NULL;
  size_t room = 0;
  ssize_t length;
  while ((length = getline(&line, &room, stdin)) > 0) {
    NSAutoreleasePool *pool = [NSAutoreleasePool new];
    if (line[length - 1] == '\n') length--;
    [dataset addLine:[self codePointsOf:(const uint8_t *)line length:(size_t)length]];
    [pool drain];
  }
  free(line);
  [[Run runOfPreset:preset] trainOn:dataset printer:[[self new] autorelease]];
}
@end

int main(int argc, char **argv) {
  NSAutoreleasePool *pool = [NSAutoreleasePool new];
  int status = EXIT_SUCCESS;
  @try {
    NSString *preset = [NSString stringWithUTF8String:argc == 3 ? argv[2] : "seed"];
    BOOL isRun = (argc == 2 || argc == 3) && strcmp(argv[1], "run") == 0 && [[Run presets] containsObject:preset];
    if (argc == 1) AnswerRequests();
    else if (isRun) [Console runPreset:preset];
    else Refuse(@"usage: microgpt [run [seed|classic] < names.txt]");
  } @catch (NSException *problem) {
    fprintf(stderr, "microgpt: %s\n", [[problem reason] UTF8String]);
    status = EXIT_FAILURE;
  }
  [pool drain];
  return status;
}
