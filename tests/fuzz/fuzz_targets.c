/* Any bytes as a target's state in Redis: refused whole, or read. A read state is written as
 * another text with the same meaning, and the table that takes it stays valid. */
#include <stdint.h>

#include "base/err.h"
#include "gate/targets/share.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NOW UINT64_C(1000000000000)

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct target_table *t = target_table_new();
	struct target_known known = { 0 };
	struct target_facts found, again;
	struct buf text;

	INVARIANT(t);
	buf_init(&text, FACTS_TEXT_BYTES);
	if (target_facts_read(span_of((const char *)data, size), NOW, &found) == 0) {
		const struct target_sharing w = { .table = t,
			.node = "n",
			.now_us = 1000,
			.offset_us = (int64_t)NOW - 1000 };
		target_facts_write(&found, &text);
		INVARIANT(target_facts_read(buf_view(&text), NOW, &again) == 0);
		INVARIANT(!memcmp(&found, &again, sizeof(found)));
		/* the state is the latest, so nothing is written, except for a longer pause */
		INVARIANT(!target_share(&w, target_state(t, "a", "m"), &known, &found));
		INVARIANT(!target_share(&w, target_state(t, "a", "m"), &known, &found));
	}
	buf_free(&text);
	target_table_free(&t);
	return 0;
}
