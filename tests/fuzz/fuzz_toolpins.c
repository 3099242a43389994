/* Any bytes as tool descriptions of servers and as lines of pins. The canonical form of a
 * canonical text is the same text. A signed line is accepted or refused, whatever it contains.
 */
#include <stdlib.h>

#include "base/sha256.h"
#include "gate/toolpins/approve.h"
#include "gate/toolpins/private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const unsigned char key[SHA256_BYTES] = "a key of 32 bytes for the tests";

static void
canonical(struct span in)
{
	struct buf once, again;
	struct arena a;

	arena_init(&a, 0, false);
	buf_init(&once, 0);
	buf_init(&again, 0);
	if (canonical_write(&a, in, "_meta", &once) == 0 &&
		(canonical_write(&a, buf_view(&once), "_meta", &again) ||
			!span_eq(buf_view(&once), buf_view(&again))))
		abort();
	buf_free(&once);
	buf_free(&again);
	arena_reset(&a);
}

static void
listed(struct span in)
{
	struct tool_pins *p = tool_pins_new();
	const struct tool_pin_of of = { PIN_TOOL, SPAN_LIT("s"), SPAN_LIT("t") };
	struct arena a;

	if (!p)
		abort();
	arena_init(&a, 0, false);
	enum tool_state first = tool_pins_see(p, &of, in);
	if (tool_pins_see(p, &of, in) != first || (first != TOOL_NEW && first != TOOL_CHANGED))
		abort();
	tool_pins_description(p, &of, &a);
	arena_reset(&a);
	tool_pins_free(&p);
}

static void
line(struct span in)
{
	struct tool_pins *p = tool_pins_new();
	unsigned char mac[SHA256_BYTES];
	struct buf text, why;

	if (!p)
		abort();
	buf_init(&text, 0);
	buf_init(&why, 1024);
	hmac_sha256(key, in, mac);
	buf_span(&text, in);
	buf_putc(&text, ' ');
	buf_hex(&text, mac, sizeof(mac));
	if (pin_read(p, buf_view(&text), SPAN_LIT(""), key, &why)) {
		/* the written pin reads as the same */
		json_t *list = tool_pins_list(p, SPAN_LIT(""));
		if (json_array_size(list) != 1)
			abort();
		json_decref(list);
	} else if (!why.n) {
		abort();
	}
	buf_free(&text);
	buf_free(&why);
	tool_pins_free(&p);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in = span_of(data, size);

	canonical(in);
	listed(in);
	line(in);
	return 0;
}
