/* Any cut must give the same events and the same bytes. The first byte selects the width of the
 * pieces. */
#include <stdlib.h>

#include "base/codec/sse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
run(struct span in, size_t step, struct buf *events, struct buf *raw)
{
	struct sse s;
	struct sse_event ev;
	int r = SSE_MORE;

	sse_init(&s, 0);
	for (size_t at = 0; at < in.n; at += step) {
		struct span piece = span_cut(in, at, at + step);
		while ((r = sse_next(&s, &piece, &ev)) > 0) {
			buf_span(raw, ev.raw);
			if (!ev.has_data)
				continue;
			buf_printf(events, "%zu,%zu,%zu:", ev.type.n, ev.data.n, ev.id.n);
			buf_span(events, ev.type);
			buf_span(events, ev.data);
			buf_span(events, ev.id);
		}
		if (r < 0 || piece.n)
			abort();
	}
	if (sse_end(&s, &ev) == SSE_EVENT)
		buf_span(raw, ev.raw);
	sse_free(&s);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf whole, cut, raw, raw_cut;

	if (size < 1)
		return 0;
	struct span in = span_of(data + 1, size - 1);
	buf_init(&whole, 0);
	buf_init(&cut, 0);
	buf_init(&raw, 0);
	buf_init(&raw_cut, 0);
	run(in, in.n ? in.n : 1, &whole, &raw);
	run(in, (size_t)data[0] % 16 + 1, &cut, &raw_cut);
	if (!span_eq(buf_view(&whole), buf_view(&cut)))
		abort();
	if (!span_eq(buf_view(&raw), in) || !span_eq(buf_view(&raw_cut), in))
		abort();
	buf_free(&whole);
	buf_free(&cut);
	buf_free(&raw);
	buf_free(&raw_cut);
	return 0;
}
