/* Attributes of gcc and clang. */
#ifndef BASE_ATTR_H
#define BASE_ATTR_H

/* Marks a parameter that a callback's type requires and the function does not use. */
#define UNUSED __attribute__((unused))

#endif
