/* Requests and replies (SPEC, section 11). Whatever is wrong with a request raises BadInput, with the reason. */
#import "Microgpt.h"

/* A line, as its key and its values. */
@interface Line : NSObject {
@public
  NSString *key;
  NSArray *values;
}
- (BOOL)is:(NSString *)aKey count:(NSUInteger)count;
- (double)doubleAt:(NSUInteger)place;
- (int64_t)integerAt:(NSUInteger)place from:(int64_t)low to:(int64_t)high;
- (NSMutableData *)doublesFrom:(NSUInteger)place;
- (NSMutableData *)integersFrom:(int32_t)low to:(int32_t)high;
@end

@interface Request : NSObject {
@public
  BOOL isComplete;
  NSString *verb, *identifier; /* nil if the first line is wrong */
@private
  NSMutableArray *lines;
  NSUInteger next;
}
+ (Request *)read;                                           /* nil at the end of the input */
- (BOOL)nextIs:(NSString *)key;
- (BOOL)isAtEnd;
- (void)finish;
- (Line *)next;
- (Line *)take:(NSString *)key;
- (double)takeDouble:(NSString *)key;
- (int64_t)takeInteger:(NSString *)key from:(int64_t)low to:(int64_t)high;
- (NSUInteger)takeChoice:(NSString *)key of:(NSArray *)words;
- (void)takeMath;
/* Its rows and columns are read, too, where they are 0. */
- (NSMutableData *)takeTensor:(NSString *)name rows:(int32_t *)rows columns:(int32_t *)columns;
- (NSMutableData *)takeMatricesOf:(Shape *)shape prefix:(NSString *)prefix;
@end

@interface Reply : NSObject <ModelObserver, DrawObserver, LinePrinter> {
@public
  NSMutableData *text;
}
+ (Reply *)reply;
- (void)put:(NSString *)line;
- (void)put:(NSString *)key doubles:(const double *)x count:(NSUInteger)count;
- (void)put:(NSString *)key double:(double)x;
- (void)put:(NSString *)key integers:(NSData *)integers;
- (void)putTensor:(NSString *)name rows:(NSUInteger)rows columns:(NSUInteger)columns doubles:(const double *)x;
- (void)putMatricesOf:(Shape *)shape prefix:(NSString *)prefix doubles:(const double *)x;
- (void)put:(NSString *)key checksumOf:(const double *)x count:(NSUInteger)count;
@end
