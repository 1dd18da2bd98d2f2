/* The two kinds of `math` that the protocol knows, behind one type: our exact functions, and the C library's
 * own.
 */
#ifndef FUNCTIONS_H
#define FUNCTIONS_H

typedef struct {
    double (*exp)(double);
    double (*log)(double);
    double (*sin)(double);
    double (*cos)(double);
    double (*pow)(double, double);
} Functions;

extern const Functions exact_functions, native_functions;

#endif
