/* Any bytes as lines of a chain: parsed, searched for members, and verified as a live, a
 * trimmed and a finished chain. Without the key, only a copy of the seeds' own beginning may
 * verify. */
#include <stdlib.h>

#include "base/err.h"
#include "record/journal/chain.h"
#include "record/journal/verify.h"
#include "record/proof/range.h"
#include "support/chain_build.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct chain_build genuine;

/* The seeds' chain, which the key holder signed. */
static void
build_once(void)
{
	if (genuine.first)
		return;
	chain_build_init(&genuine, "gw-1");
	chain_build_boot(&genuine);
	chain_build_add(&genuine, 3);
	chain_build_add(&genuine, 1);
	chain_build_boot(&genuine);
	chain_build_add(&genuine, 2);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = span_of(data, size), rest = text;
	struct chain_line l;

	build_once();
	while (rest.n) {
		struct span line = span_next(&rest, '\n');
		chain_member(line, "id");
		struct merkle_range r;
		if (chain_parse(line, &l) == 0) {
			INVARIANT(l.seq > 0 && l.node.n > 0);
			if (!l.commit && range_read(line, l.type, l.seq, &r))
				INVARIANT(r.n + 1 == l.seq);
		}
	}
	chain_fields_check(text);
	for (int i = 0; i < 3; i++) {
		struct verify_options o = {
			.keys = &genuine.key.pub, .nkeys = 1, .live = i > 0, .trimmed = i > 1
		};
		struct verify_result r = chain_verify_text(&o, text);
		if (!r.ok || r.records == 0)
			continue;
		/* A signed record: its head must be one of the seeds', at its sequence
		 * number. */
		struct span g = buf_view(&genuine.out);
		bool known = false;
		while (g.n) {
			struct span line = span_next(&g, '\n');
			if (chain_parse(line, &l) == 0 && l.commit && l.seq == r.last &&
				memcmp(l.head, r.head, CHAIN_HASH_BYTES) == 0)
				known = true;
		}
		INVARIANT(known);
	}
	return 0;
}
