/* codec/json_scan beside codec/json. In a document that json.h accepts, both must find the same
 * strings and brackets, and a cut at any byte must change nothing. For any other bytes, the
 * state of the scan must stay valid. */
#include <stdlib.h>

#include "base/codec/json.h"
#include "base/codec/json_scan.h"
#include "base/err.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Reads to the next byte of that kind, which the scan must find. */
static size_t
scan_to(struct json_scan *s, struct span in, size_t *at, enum json_byte kind)
{
	while (*at < in.n)
		if (json_scan_byte(s, in.p[(*at)++]) == kind)
			return *at;
	abort();
}

static bool
is_document(struct arena *a, struct span in)
{
	struct json *j = json_open(a, in);
	struct json_event ev;

	while (json_next(j, &ev) != JSON_END)
		if (ev.tok == JSON_ERROR)
			return false;
	return true;
}

static void
compare(struct arena *a, struct span in)
{
	struct json *j = json_open(a, in);
	struct json_scan s = { 0 };
	struct json_event ev;
	size_t at = 0;

	while (json_next(j, &ev) != JSON_END) {
		switch (ev.tok) {
		case JSON_OBJECT:
		case JSON_ARRAY:
			INVARIANT(scan_to(&s, in, &at, JSON_BYTE_OPENS) == ev.end);
			INVARIANT(s.depth == ev.depth + 1);
			break;
		case JSON_OBJECT_END:
		case JSON_ARRAY_END:
			INVARIANT(scan_to(&s, in, &at, JSON_BYTE_CLOSES) == ev.end);
			INVARIANT(s.depth == ev.depth);
			break;
		case JSON_KEY:
		case JSON_STRING:
			INVARIANT(scan_to(&s, in, &at, JSON_BYTE_BEGINS) == ev.start);
			INVARIANT(scan_to(&s, in, &at, JSON_BYTE_ENDS) == ev.end + 1);
			break;
		default: break;
		}
	}
	json_scan_all(&s, span_cut(in, at, in.n));
	INVARIANT(!s.depth && !s.string && !s.escape);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in = span_of(data, size);
	struct json_scan whole = { 0 };
	struct arena a;

	size_t close = json_scan_close(&whole, in);
	for (size_t cut = 0; cut <= in.n && cut < 256; cut++) {
		struct json_scan s = { 0 };
		size_t got = json_scan_close(&s, span_cut(in, 0, cut));
		if (!got && (got = json_scan_close(&s, span_cut(in, cut, in.n))))
			got += cut;
		INVARIANT(got == close && s.depth == whole.depth && s.string == whole.string &&
			  s.escape == whole.escape);
	}
	INVARIANT(whole.string || !whole.escape);
	arena_init(&a, 0, false);
	if (is_document(&a, in))
		compare(&a, in);
	arena_reset(&a);
	return 0;
}
