/* A compact range in a record. A boot record has `"tree":{"size":N,"range":[HEX…]}`; a
 * checkpoint record has size and range at its top level. N is the record's own sequence
 * number less one. These functions use no file and no clock. */
#ifndef RECORD_PROOF_RANGE_H
#define RECORD_PROOF_RANGE_H

#include "base/buf.h"
#include "record/proof/merkle.h"

/* Appends `"range":[HEX…]`. */
void range_write(struct buf *out, const struct merkle_range *r);
/* Reads the range of a record's line with this type and sequence number. Returns false if the
 * record has none, or if it does not fit the sequence number. */
bool range_read(struct span line, struct span type, uint64_t seq, struct merkle_range *out);

#endif
