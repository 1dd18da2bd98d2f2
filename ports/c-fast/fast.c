/* The port c-fast: the port c, but that training is computed by hand (fused.h). `microgpt check` and `microgpt time` come on
 * top of what that port does.
 */
#ifndef PORT
#define PORT "c-fast"
#endif
#define main main_of_c
#include "fused.h"
#include "protocol.c"
#undef main
#include "check.h"

int main(int count, char **argument) {
    gradients = fused_gradients;
    if (count == 2 && strcmp(argument[1], "check") == 0) return check_variants() ? EXIT_SUCCESS : EXIT_FAILURE;
    if (count != 5 || strcmp(argument[1], "time") != 0 || setjmp(failed) != 0) return main_of_c(count, argument);
    printf("%.9f\n", seconds_of_step(atoi(argument[2]), atoi(argument[3]), atoi(argument[4])));
    return EXIT_SUCCESS;
}
