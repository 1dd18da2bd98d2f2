#include "functions.h"

#include <math.h>

#include "exact.h"

const Functions exact_functions = {exact_exp, exact_log, exact_sin, exact_cos, exact_pow};
const Functions native_functions = {exp, log, sin, cos, pow};
