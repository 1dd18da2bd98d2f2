/* The tag of the exception that longjmp throws. The compiler takes it for granted, and Zig's C library does not define it. */
__asm__(".tagtype __c_longjmp i32\n"
        ".globl __c_longjmp\n"
        "__c_longjmp:\n");
