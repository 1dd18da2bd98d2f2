/* Everything but the protocol: exact functions, random numbers, the tape, the model, its training, a whole run. Lists of
   numbers are NSData: of int32_t (nodes, tokens, code points) or of double. The objects of a request belong to its
   autorelease pool, so that none is retained or released one by one. */
#import <Foundation/Foundation.h>

extern NSString *const BadInput; /* the name of the one exception; its reason is for people */
void Refuse(NSString *format, ...) NS_FORMAT_FUNCTION(1, 2) __attribute__((noreturn));

/* The double nearest to the true value (SPEC, section 2). In pow, y is an integer or half-integer. */
double ExactExp(double x);
double ExactLog(double x);
double ExactSin(double x);
double ExactCos(double x);
double ExactPow(double x, double y);

@interface NSData (Numbers)
- (const int32_t *)integers;
- (NSUInteger)integerCount;
- (const double *)doubles;
- (NSUInteger)doubleCount;
@end

@interface NSMutableData (Numbers)
+ (NSMutableData *)dataWithDoubles:(NSUInteger)count;
- (void)appendInteger:(int32_t)integer;
- (void)appendDouble:(double)number;
@end

@interface Twister : NSObject { /* MT19937 (SPEC, section 3) */
@public
  uint32_t words[624];
  int32_t index;
  BOOL hasKept;
  double kept;
}
+ (Twister *)twisterWithSeed:(uint32_t)seed;
- (uint32_t)nextWord;
- (double)nextRandom;
- (double)nextGauss:(double)sigma;
- (void)shuffle:(NSMutableArray *)items;
- (int32_t)chooseByWeights:(NSData *)weights;
@end

@interface Tape : NSObject { /* the autograd (SPEC, section 5): nodes are numbers into arrays */
@public
  int32_t size;
  double *values, *gradients;
@private
  struct Entry *entries;
  int32_t *children, room, childCount, childRoom;
  NSMutableData *visits;
}
+ (Tape *)tape;
- (void)cutTo:(int32_t)count; /* forgets all later nodes */
- (int32_t)leaf:(double)x;
- (int32_t)add:(int32_t)a to:(int32_t)b;
- (int32_t)multiply:(int32_t)a by:(int32_t)b;
- (int32_t)add:(int32_t)a number:(double)c;
- (int32_t)multiply:(int32_t)a number:(double)c;
- (int32_t)negate:(int32_t)a;
- (int32_t)raise:(int32_t)a to:(double)c;
- (int32_t)expOf:(int32_t)a;
- (int32_t)logOf:(int32_t)a;
- (int32_t)reluOf:(int32_t)a;
/* One node for many: none of the operands occurs twice, and none lies below another. */
- (int32_t)sum:(NSData *)nodes;
- (int32_t)dot:(NSData *)nodes with:(NSData *)others;
- (NSData *)softmax:(NSData *)logits;
- (void)backwardFrom:(int32_t)root;
@end

@interface Matrix : NSObject {
@public
  NSString *name;
  int32_t rows, columns, first; /* the node of its first number */
}
@end

@interface Shape : NSObject { /* SPEC, section 6 */
@public
  int32_t layers, heads, embedding, block, vocabulary, parameterCount;
  BOOL squared;              /* the activation is the square of relu */
  NSMutableArray *attention; /* for each position, the positions that it attends to */
  NSArray *matrices;
}
+ (Shape *)shape;
- (void)makeMatrices; /* once the numbers are known */
@end

@class Model;

@protocol ModelObserver /* hears what a model computes at its position, layer and head; they are -1 for none */
- (void)model:(Model *)model computed:(NSString *)name nodes:(NSData *)nodes;
@end

@protocol DrawObserver
- (void)drew:(int32_t)token fromProbabilities:(NSData *)probabilities;
@end

@interface Model : NSObject {
@public
  Shape *shape;
  Tape *tape; /* its first nodes are the parameters */
  int32_t position, layer, head;
  id<ModelObserver> observer;
@private
  NSMutableDictionary *rows;
  NSMutableArray *keys, *values; /* of each layer and head, at each position */
}
+ (Model *)modelWithShape:(Shape *)shape parameters:(NSData *)parameters;
- (int32_t)lossOfDocument:(NSData *)tokens;
- (NSData *)sampleAtTemperature:(double)temperature twister:(Twister *)twister observer:(id<DrawObserver>)witness;
@end

@interface Adam : NSObject { /* SPEC, section 8 */
@public
  double learningRate, beta1, beta2, epsilon;
  BOOL cosine;
  int32_t steps;
}
+ (Adam *)adam;
- (double)rateOfStep:(int32_t)step;
- (double)correctionOf:(double)beta step:(int32_t)step;
- (void)step:(int32_t)step p:(double *)p g:(const double *)g m:(NSMutableData *)m v:(NSMutableData *)v;
- (double)step:(int32_t)step
         model:(Model *)model
      document:(NSData *)tokens
             m:(NSMutableData *)m
             v:(NSMutableData *)v; /* the loss */
@end

@interface Dataset : NSObject { /* SPEC, section 4 */
@public
  NSMutableArray *documents;
}
+ (Dataset *)dataset;
- (void)addLine:(NSData *)codePoints;
- (NSData *)vocabulary; /* the code points in order */
- (NSData *)encode:(NSData *)document vocabulary:(NSData *)vocabulary;
@end

@protocol LinePrinter
- (void)printLine:(NSData *)codePoints;
@end

@interface Run : NSObject { /* SPEC, section 10 */
@public
  int32_t steps, samples;
  BOOL isSeed; /* the preset is seed, else classic */
  Twister *twister;
  Model *model;
  NSMutableData *m, *v;
}
+ (NSArray *)presets;
+ (Run *)runOfPreset:(NSString *)name;
+ (NSString *)decimalsOf:(double)x;
+ (NSMutableData *)codePointsOf:(NSString *)asciiText;
- (void)trainOn:(Dataset *)dataset printer:(id<LinePrinter>)printer;
@end
