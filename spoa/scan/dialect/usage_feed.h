/* Reads the usage of a JSON document that is too long to be kept. The document arrives in
 * pieces. A fixed number of bytes is kept: the open containers, and the beginning of the key or
 * value that is being read. Owner: one thread. */
#ifndef SCAN_DIALECT_USAGE_FEED_H
#define SCAN_DIALECT_USAGE_FEED_H

#include "scan/dialect/usage.h"

struct usage_feed;

/* Returns NULL if memory is exhausted. `d` is borrowed. */
struct usage_feed *usage_feed_new(const struct dialect *d);
void usage_feed_free(struct usage_feed **f);
/* Takes the next bytes of the document. */
void usage_feed(struct usage_feed *f, struct span bytes);
/* Fills *u. Call it after the last byte. Returns false, with an unknown usage, if the bytes are not
 * one whole document. */
bool usage_feed_end(struct usage_feed *f, struct usage *u);

#endif
