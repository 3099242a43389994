/* Dialects by name, and the usage of a whole response or of one of their events. */
#ifndef TESTS_USAGE_FIX_H
#define TESTS_USAGE_FIX_H

#include "answer/document.h"
#include "base/err.h"

/* Returns the dialect of this name, or NULL. */
const struct dialect *dialect(const char *name);

/* Returns 0, ERR_NOTFOUND if the usage is unknown, or the parser's error. */
int whole_usage(const struct dialect *d, struct span json, struct usage *u);

/* Adds the usage of an event to *u. */
void event_usage(const struct dialect *d, struct span type, struct span json, struct usage *u);

/* event_usage() for strings. */
void event(const char *d, const char *type, const char *data, struct usage *u);

#endif
