/* What an external recognizer said about a text, remembered by the text's hash: a
 * chat that resends its history asks only about its new turns. Holds no text.
 * owner: worker. */
#ifndef GATE_SOURCES_ANSWERS_H
#define GATE_SOURCES_ANSWERS_H

#include "base/sha256.h"
#include "scan/detect/detect.h"

struct answers;

/* At most `entries`, each for ttl_us. `total`: bytes of all memories of this worker,
 * together at most CAP_RECOGNIZER_CACHE. NULL: out of memory. */
struct answers *answers_new(size_t entries, uint64_t ttl_us, size_t *total);
void answers_free(struct answers **a);
/* A copy of the findings in the arena; false: not known (or out of memory). */
bool answers_get(struct answers *a, const unsigned char key[SHA256_BYTES], uint64_t now_us,
	struct arena *arena, struct findings *out);
/* The oldest go where room is needed. */
void answers_put(struct answers *a, const unsigned char key[SHA256_BYTES], uint64_t now_us,
	const struct findings *f);

#endif
