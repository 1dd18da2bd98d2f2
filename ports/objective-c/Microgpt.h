/* Everything but the protocol: exact functions, random numbers, the tape, the model, its training, a whole run.
   Lists of numbers are NSData: of int32_t (nodes, tokens, code points) or of double. */
#import <Foundation/Foundation.h>

extern NSString *const BadInput; /* the name of the one exception: its reason is for people */

/* The double nearest to the true value (SPEC, section 2). */
double ExactExp(double x);
double ExactLog(double x);
double ExactSin(double x);
double ExactCos(double x);
double ExactPow(double x, double y); /* y is an integer or half-integer */

@interface NSData (Numbers)
- (const int32_t *)integers;
- (NSUInteger)integerCount;
- (const double *)doubles;
- (NSUInteger)doubleCount;
@end

@interface NSMutableData (Numbers)
+ (NSMutableData *)dataWithIntegers:(NSUInteger)count;
+ (NSMutableData *)dataWithDoubles:(NSUInteger)count;
- (int32_t *)mutableIntegers;
- (double *)mutableDoubles;
- (void)appendInteger:(int32_t)integer;
- (void)appendDouble:(double)number;
@end

/* MT19937 (SPEC, section 3). */
@interface Twister : NSObject {
@public
  uint32_t words[624];
  unsigned index;
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

/* The autograd (SPEC, section 5): nodes are numbers into arrays. */
@interface Tape : NSObject {
  struct Entry *entries;
  int32_t *children, size, room, childCount, childRoom;
  double *values, *gradients;
  NSMutableData *visits;
}
@property (nonatomic, readonly) double *values, *gradients;
@property (nonatomic) int32_t size; /* setting it forgets all later nodes */
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
  NSString *name;
  int32_t rows, columns, first;
}
@property (nonatomic, readonly) NSString *name;
@property (nonatomic, readonly) int32_t rows, columns, first; /* first is the node of its first number */
- (NSArray *)nodesOfRows;
@end

/* What a model is made of (SPEC, section 6). */
@interface Shape : NSObject {
  int32_t layers, heads, embedding, block, vocabulary;
  BOOL squared;
  NSArray *attention;
}
@property (nonatomic) int32_t layers, heads, embedding, block, vocabulary;
@property (nonatomic) BOOL squared;               /* the activation is the square of relu */
@property (nonatomic, retain) NSArray *attention; /* for each position, the positions that it attends to */
- (NSArray *)matrices;
- (int32_t)parameterCount;
@end

@class Model;

/* Hears what a model computes; what has no layer or head has the number -1. */
@protocol ModelObserver
- (void)model:(Model *)model
     computed:(NSString *)name
        nodes:(NSData *)nodes
     position:(int32_t)position
        layer:(int32_t)layer
         head:(int32_t)head;
@end

@protocol DrawObserver
- (void)drew:(int32_t)token fromProbabilities:(NSData *)probabilities;
@end

@interface Model : NSObject {
  Shape *shape;
  Tape *tape;
  NSDictionary *rows;
  NSMutableArray *keys, *values;
  int32_t parameterCount;
  id<ModelObserver> observer;
}
@property (nonatomic, readonly) Shape *shape;
@property (nonatomic, readonly) Tape *tape; /* its first nodes are the parameters */
@property (nonatomic, readonly) int32_t parameterCount;
@property (nonatomic, assign) id<ModelObserver> observer;
- (id)initWithShape:(Shape *)aShape parameters:(NSData *)parameters;
- (int32_t)lossOfDocument:(NSData *)tokens;
- (NSData *)sampleAtTemperature:(double)temperature twister:(Twister *)twister observer:(id<DrawObserver>)witness;
@end

/* Adam and its settings (SPEC, section 8). */
@interface Optimizer : NSObject {
  double learningRate, beta1, beta2, epsilon;
  BOOL cosine;
  int32_t steps;
}
@property (nonatomic) double learningRate, beta1, beta2, epsilon;
@property (nonatomic) BOOL cosine;
@property (nonatomic) int32_t steps;
- (double)rateOfStep:(int32_t)step;
- (double)correctionOf:(double)beta step:(int32_t)step;
- (void)step:(int32_t)step parameters:(double *)p gradients:(const double *)g m:(NSMutableData *)m v:(NSMutableData *)v;
- (double)step:(int32_t)step model:(Model *)model document:(NSData *)tokens m:(NSMutableData *)m v:(NSMutableData *)v;
@end

/* Documents and the tokens they are made of (SPEC, section 4). */
@interface Dataset : NSObject {
  NSMutableArray *documents;
}
@property (nonatomic, readonly) NSMutableArray *documents;
- (void)addLine:(NSData *)codePoints;
- (NSData *)vocabulary; /* the code points in order; raises BadInput if there are none or too many */
- (NSData *)encode:(NSData *)document vocabulary:(NSData *)vocabulary;
@end

@protocol LinePrinter
- (void)printLine:(NSData *)codePoints;
@end

/* A preset, and the run that it describes (SPEC, section 10). */
@interface Run : NSObject {
  int32_t steps, samples;
  NSString *preset;
  Twister *twister;
  Model *model;
  NSMutableData *m, *v;
}
@property (nonatomic) int32_t steps, samples;
@property (nonatomic, readonly) Twister *twister;
@property (nonatomic, readonly) Model *model;
@property (nonatomic, readonly) NSData *m, *v;
+ (NSArray *)presets;
+ (NSString *)decimalsOf:(double)x;
+ (NSMutableData *)codePointsOf:(NSString *)asciiText;
- (id)initWithPreset:(NSString *)name;
- (void)trainOn:(Dataset *)dataset printer:(id<LinePrinter>)printer;
@end
