/* Any bytes as HTTP heads and bodies. The first byte selects what is parsed. An accepted head
 * is written and must parse to the same fields. A body is decoded whole and in small pieces,
 * with the same payload and end. */
#include <stdint.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/caps.h"
#include "base/codec/http.h"
#include "base/err.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
body(enum http_framing framing, struct span in, size_t step, struct buf *out, size_t *taken)
{
	struct http_body b;

	*taken = 0;
	http_body_init(&b, framing, 100);
	while (*taken < in.n && !b.done) {
		struct span payload;
		ssize_t n = http_body_next(&b, span_cut(in, *taken, *taken + step), &payload);
		if (n < 0)
			return;
		INVARIANT(n > 0);
		buf_span(out, payload);
		*taken += (size_t)n;
	}
}

static void
head(bool response, bool to_head, struct span in)
{
	struct http_field fields[32], again_fields[32];
	struct http_message m, again;
	struct http_scan scan = { 0, 0 };
	struct buf out;
	ssize_t n = response ? http_parse_response(in, &scan, fields, 32, to_head, &m)
			     : http_parse_request(in, &scan, fields, 32, &m);

	INVARIANT(n >= 0 || m.why);
	if (n <= 0)
		return;
	buf_init(&out, 0);
	if (response) {
		http_put_status(&out, m.head.status);
		INVARIANT(http_put_fields(&out, &m.head, SPAN_LIT("x-")) == 0);
	} else {
		INVARIANT(http_put_request(&out, &m.head) == 0);
	}
	buf_str(&out, "\r\n");
	scan = (struct http_scan){ 0, 0 };
	ssize_t k =
		response ? http_parse_response(
				   buf_view(&out), &scan, again_fields, 32, to_head, &again)
			 : http_parse_request(buf_view(&out), &scan, again_fields, 32, &again);
	INVARIANT(k == (ssize_t)buf_view(&out).n);
	INVARIANT(again.declared == -1 && again.framing != HTTP_CHUNKED);
	if (!response) {
		INVARIANT(span_eq(m.head.path, again.head.path));
		INVARIANT(span_eq(m.head.query, again.head.query));
	}
	/* Writing it a second time must drop nothing. */
	struct span rest = buf_view(&out);
	struct buf twice;
	buf_init(&twice, 0);
	INVARIANT(http_put_fields(&twice, &again.head, SPAN_LIT("")) == 0);
	buf_str(&twice, "\r\n");
	span_next(&rest, '\n');
	INVARIANT(span_eq(buf_view(&twice), rest));
	buf_free(&twice);
	buf_free(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	struct span in = span_of(data + 1, size - 1);
	switch (data[0] & 3) {
	case 0: head(false, false, in); break;
	case 1: head(true, false, in); break;
	case 2: head(true, true, in); break;
	default: {
		struct buf whole, pieces;
		size_t end, pieces_end;
		enum http_framing f = data[0] & 4 ? HTTP_LENGTH : HTTP_CHUNKED;
		buf_init(&whole, 0);
		buf_init(&pieces, 0);
		body(f, in, in.n, &whole, &end);
		body(f, in, 1 + (data[0] >> 4), &pieces, &pieces_end);
		INVARIANT(span_eq(buf_view(&whole), buf_view(&pieces)));
		buf_free(&whole);
		buf_free(&pieces);
	}
	}
	return 0;
}
