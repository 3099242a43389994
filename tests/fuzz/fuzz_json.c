/* codec/json over any bytes, and the search for ids of JSON-RPC in them. Positions must stay
 * inside, decoded text must be UTF-8, every raw offset must map back, and decoded text can be
 * written and read again. */
#include <stdlib.h>

#include "base/buf.h"
#include "base/codec/json.h"
#include "base/utf8.h"
#include "base/err.h"
#include "scan/dialect/dialect.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_string(struct arena *a, struct span in, const struct json_event *ev)
{
	struct span text = json_text(a, in, ev);
	struct span raw = span_cut(in, ev->start, ev->end);
	struct buf again;
	struct json_event e;

	INVARIANT(utf8_valid(text));
	INVARIANT(json_raw_offset(raw, text.n) == raw.n);
	for (size_t i = 0; i < text.n && i < 64; i++)
		INVARIANT(json_raw_offset(raw, i) <= json_raw_offset(raw, i + 1));
	buf_init(&again, 0);
	buf_json_str(&again, text);
	struct json *j = json_open(a, buf_view(&again));
	INVARIANT(json_next(j, &e) == JSON_STRING);
	INVARIANT(span_eq(json_text(a, buf_view(&again), &e), text));
	buf_free(&again);
}

/* The text for each id is JSON in one line. */
static void
check_ids(struct arena *a, struct span in)
{
	struct json_event ev;
	struct buf event;
	struct span ids;

	INVARIANT(dialect_rpc_ids(in, a, &ids) == 0);
	buf_init(&event, 0);
	dialect_rpc_error(ids, "code", SPAN_LIT("no"), SPAN_LIT("id"), &event);
	struct span rest = buf_view(&event);
	while (rest.n) {
		INVARIANT(span_is(span_next(&rest, '\n'), "event: message"));
		struct span line = span_next(&rest, '\n');
		INVARIANT(span_starts(line, SPAN_LIT("data: ")));
		struct json *j = json_open(a, span_cut(line, 6, line.n));
		INVARIANT(json_next(j, &ev) == JSON_OBJECT);
		INVARIANT(json_skip(j, &ev) == JSON_OBJECT_END);
		INVARIANT(json_next(j, &ev) == JSON_END);
		INVARIANT(span_next(&rest, '\n').n == 0);
	}
	buf_free(&event);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in = span_of(data, size);
	struct arena a;
	struct json_event ev;
	size_t last = 0;
	unsigned strings = 0;

	arena_init(&a, 0, false);
	struct json *j = json_open(&a, in);
	for (;;) {
		enum json_tok tok = json_next(j, &ev);
		if (tok == JSON_END || tok == JSON_ERROR)
			break;
		INVARIANT(ev.start >= last && ev.end >= ev.start && ev.end <= size);
		last = ev.end;
		if ((tok == JSON_STRING || tok == JSON_KEY) && strings++ < 1000)
			check_string(&a, in, &ev);
		if (tok == JSON_ARRAY && ev.depth % 3 == 2)
			json_skip(j, &ev);
	}
	check_ids(&a, in);
	arena_reset(&a);
	return 0;
}
