/* Attributes that gcc and clang know. */
#ifndef BASE_ATTR_H
#define BASE_ATTR_H

/* A parameter that a callback's type asks for and this one has no use for. */
#define UNUSED __attribute__((unused))

#endif
