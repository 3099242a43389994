/* A compact range as records hold it: boot records have `"tree":{"size":N,"range":[HEX…]}`,
 * checkpoint records have size and range at their top level. N is the record's own sequence
 * number less one. Pure. */
#ifndef RECORD_PROOF_RANGE_H
#define RECORD_PROOF_RANGE_H

#include "base/buf.h"
#include "record/proof/merkle.h"

/* Appends `"range":[HEX…]`. */
void range_write(struct buf *out, const struct merkle_range *r);
/* Of a record's line of this type and sequence number. False: it holds none, or none that fits.
 */
bool range_read(struct span line, struct span type, uint64_t seq, struct merkle_range *out);

#endif
