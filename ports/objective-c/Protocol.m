#import "Protocol.h"
#include <math.h>

enum { LongestLine = 65536 };

@implementation Line
+ (Line *)lineWithText:(NSString *)text {
  Line *line = [[self new] autorelease];
  NSArray *words = [text componentsSeparatedByString:@" "];
  line->key = [words objectAtIndex:0];
  line->values = [words subarrayWithRange:NSMakeRange(1, [words count] - 1)];
  return line;
}
- (BOOL)is:(NSString *)aKey count:(NSUInteger)count { return [key isEqualToString:aKey] && [values count] == count; }

- (double)doubleAt:(NSUInteger)place {
  NSString *word = [values objectAtIndex:place];
  uint64_t pattern = 0;
  double x;
  if ([word length] != 16) Refuse(@"a double has 16 hex digits");
  for (NSUInteger i = 0; i < 16; i++) {
    unichar c = [word characterAtIndex:i];
    int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
    if (digit < 0) Refuse(@"a double has lower-case hex digits");
    pattern = pattern << 4 | (uint64_t)digit;
  }
  memcpy(&x, &pattern, sizeof x);
  return isnan(x) ? NAN : x;
}

- (int64_t)integerAt:(NSUInteger)place from:(int64_t)low to:(int64_t)high {
  NSString *word = [values objectAtIndex:place];
  NSUInteger length = [word length];
  int64_t integer = 0;
  BOOL isDecimal = length > 0 && length <= 10 && (length == 1 || [word characterAtIndex:0] != '0');
  for (NSUInteger i = 0; i < length && isDecimal; i++) {
    unichar c = [word characterAtIndex:i];
    isDecimal = c >= '0' && c <= '9';
    integer = 10 * integer + c - '0';
  }
  if (!isDecimal || integer < low || integer > high)
    Refuse(@"expected an integer from %lld to %lld", (long long)low, (long long)high);
  return integer;
}

- (NSMutableData *)doublesFrom:(NSUInteger)place {
  NSMutableData *doubles = [NSMutableData data];
  for (; place < [values count]; place++) [doubles appendDouble:[self doubleAt:place]];
  return doubles;
}

- (NSMutableData *)integersFrom:(int32_t)low to:(int32_t)high {
  NSMutableData *integers = [NSMutableData data];
  for (NSUInteger i = 0; i < [values count]; i++) [integers appendInteger:(int32_t)[self integerAt:i from:low to:high]];
  return integers;
}
@end

@implementation Request
- (void)readHeader {
  static NSString *const letters = @"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
  Line *header = [Line lineWithText:[lines count] > 0 ? [lines objectAtIndex:0] : @""];
  NSString *name = [header->values lastObject];
  NSString *rest = [name stringByTrimmingCharactersInSet:[NSCharacterSet characterSetWithCharactersInString:letters]];
  if ([header->values count] != 1 || [header->key length] == 0) return;
  if ([name length] < 1 || [name length] > 64 || [rest length] > 0) return;
  verb = header->key;
  identifier = name;
}

/* A line that nothing allows becomes an empty one: nothing allows that, either. */
+ (Request *)read {
  static char *buffer;
  static size_t room;
  Request *request = [[self new] autorelease];
  ssize_t length;
  request->lines = [NSMutableArray array];
  request->next = 1;
  while (!request->isComplete && (length = getline(&buffer, &room, stdin)) > 0) {
    if (buffer[length - 1] == '\n') length--;
    BOOL isPlain = length <= LongestLine;
    for (ssize_t i = 0; i < length && isPlain; i++) isPlain = buffer[i] >= ' ' && buffer[i] <= '~';
    NSString *line = [[NSString alloc] initWithBytes:buffer
                                              length:isPlain ? (size_t)length : 0
                                            encoding:NSASCIIStringEncoding];
    if ([line isEqualToString:@"end"]) request->isComplete = YES;
    else [request->lines addObject:line];
    [line release];
  }
  [request readHeader];
  return request->isComplete || [request->lines count] > 0 ? request : nil;
}

- (BOOL)isAtEnd { return next >= [lines count]; }
- (void)finish { if (![self isAtEnd]) Refuse(@"expected end, but there are more lines"); }
- (BOOL)nextIs:(NSString *)key {
  NSString *line = [self isAtEnd] ? nil : [lines objectAtIndex:next];
  return [line isEqualToString:key] || [line hasPrefix:[key stringByAppendingString:@" "]];
}
- (Line *)next {
  if ([self isAtEnd]) Refuse(@"expected another line, but the request ends");
  return [Line lineWithText:[lines objectAtIndex:next++]];
}
- (Line *)take:(NSString *)key {
  if (![self nextIs:key]) Refuse(@"expected the key %@", key);
  return [self next];
}
- (Line *)takeOne:(NSString *)key {
  Line *line = [self take:key];
  if ([line->values count] != 1) Refuse(@"%@ takes one value", key);
  return line;
}
- (double)takeDouble:(NSString *)key { return [[self takeOne:key] doubleAt:0]; }
- (int64_t)takeInteger:(NSString *)key from:(int64_t)low to:(int64_t)high {
  return [[self takeOne:key] integerAt:0 from:low to:high];
}
- (NSUInteger)takeChoice:(NSString *)key of:(NSArray *)words {
  for (NSUInteger i = 0; i < [words count]; i++) {
    NSString *line = [NSString stringWithFormat:@"%@ %@", key, [words objectAtIndex:i]];
    if (![self isAtEnd] && [[lines objectAtIndex:next] isEqualToString:line]) {
      next++;
      return i;
    }
  }
  Refuse(@"expected %@ %@", key, [words componentsJoinedByString:@" or "]);
}
- (void)takeMath {
  NSArray *kinds = [NSArray arrayWithObjects:@"exact", @"native", nil];
  if ([self takeChoice:@"math" of:kinds] == 1) Refuse(@"unsupported");
}

- (NSMutableData *)takeTensor:(NSString *)name rows:(int32_t *)rows columns:(int32_t *)columns {
  NSMutableData *numbers = [NSMutableData data];
  Line *tensor = [self take:[@"tensor " stringByAppendingString:name]];
  if ([tensor->values count] != 3) Refuse(@"tensor takes a name, rows and columns");
  *rows = (int32_t)[tensor integerAt:1 from:*rows ? *rows : 1 to:*rows ? *rows : 2048];
  *columns = (int32_t)[tensor integerAt:2 from:*columns ? *columns : 1 to:*columns ? *columns : 2048];
  for (int32_t i = 0; i < *rows; i++) {
    NSAutoreleasePool *pool = [NSAutoreleasePool new];
    Line *row = [self take:@"row"];
    if ([row->values count] != (NSUInteger)*columns) Refuse(@"expected a row of %d values", *columns);
    [numbers appendData:[row doublesFrom:0]];
    [pool drain];
  }
  return numbers;
}
- (NSMutableData *)takeMatricesOf:(Shape *)shape prefix:(NSString *)prefix {
  NSMutableData *numbers = [NSMutableData data];
  for (Matrix *matrix in shape->matrices) {
    int32_t rows = matrix->rows, columns = matrix->columns;
    NSString *name = [prefix stringByAppendingString:matrix->name];
    [numbers appendData:[self takeTensor:name rows:&rows columns:&columns]];
  }
  return numbers;
}
@end

@implementation Reply
+ (Reply *)reply {
  Reply *reply = [[self new] autorelease];
  reply->text = [NSMutableData data];
  return reply;
}
- (void)append:(NSString *)string { [text appendBytes:[string UTF8String] length:[string length]]; }
- (void)put:(NSString *)line {
  [self append:line];
  [text appendBytes:"\n" length:1];
}

/* All NaNs count as one. */
static uint64_t Pattern(double x) {
  uint64_t pattern;
  memcpy(&pattern, &x, sizeof pattern);
  return isnan(x) ? 0x7ff8000000000000 : pattern;
}

- (void)put:(NSString *)key doubles:(const double *)x count:(NSUInteger)count {
  char word[24];
  [self append:key];
  for (NSUInteger i = 0; i < count; i++)
    [text appendBytes:word length:snprintf(word, sizeof word, " %016llx", (unsigned long long)Pattern(x[i]))];
  [text appendBytes:"\n" length:1];
}
- (void)put:(NSString *)key double:(double)x { [self put:key doubles:&x count:1]; }
- (void)put:(NSString *)key integers:(NSData *)integers {
  char word[16];
  [self append:key];
  for (NSUInteger i = 0; i < [integers integerCount]; i++)
    [text appendBytes:word length:snprintf(word, sizeof word, " %u", (uint32_t)[integers integers][i])];
  [text appendBytes:"\n" length:1];
}

- (void)putTensor:(NSString *)name rows:(NSUInteger)rows columns:(NSUInteger)columns doubles:(const double *)x {
  [self put:[NSString stringWithFormat:@"tensor %@ %lu %lu", name, (unsigned long)rows, (unsigned long)columns]];
  for (NSUInteger i = 0; i < rows; i++) [self put:@"row" doubles:x + i * columns count:columns];
}
- (void)putMatricesOf:(Shape *)shape prefix:(NSString *)prefix doubles:(const double *)x {
  for (Matrix *matrix in shape->matrices)
    [self putTensor:[prefix stringByAppendingString:matrix->name]
               rows:matrix->rows
            columns:matrix->columns
            doubles:x + matrix->first];
}
- (void)put:(NSString *)key checksumOf:(const double *)x count:(NSUInteger)count {
  uint64_t a = 1, b = 0;
  for (NSUInteger i = 0; i < 2 * count; i++) {
    a = (a + (i % 2 ? Pattern(x[i / 2]) & 0xffffffff : Pattern(x[i / 2]) >> 32)) % 4294967291;
    b = (b + a) % 4294967291;
  }
  [self put:[NSString stringWithFormat:@"%@ %08llx %08llx", key, (unsigned long long)a, (unsigned long long)b]];
}

- (void)model:(Model *)model computed:(NSString *)name nodes:(NSData *)nodes {
  NSMutableData *numbers = [NSMutableData data];
  NSMutableString *place = [NSMutableString stringWithFormat:@"pos%d.", model->position];
  if (model->layer >= 0) [place appendFormat:@"layer%d.", model->layer];
  if (model->head >= 0) [place appendFormat:@"head%d.", model->head];
  for (NSUInteger i = 0; i < [nodes integerCount]; i++) [numbers appendDouble:model->tape->values[[nodes integers][i]]];
  [place appendString:name];
  [self putTensor:place rows:1 columns:[nodes integerCount] doubles:[numbers doubles]];
}
- (void)drew:(int32_t)token fromProbabilities:(NSData *)probabilities {
  [self put:@"probabilities" doubles:[probabilities doubles] count:[probabilities doubleCount]];
  [self put:[NSString stringWithFormat:@"token %d", token]];
}
- (void)printLine:(NSData *)codePoints { [self put:@"print" integers:codePoints]; }
@end
