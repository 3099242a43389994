/* Framed responses. Any cut must give the same frames and the same bytes. Forwarded bytes must
 * equal the input. Elements of an array must be those of a JSON reader. The first byte selects
 * the framing and the limit, the second the width of the pieces. CRCs of event streams are
 * corrected first, so that inputs reach the code after the CRC check. */
#include <stdlib.h>

#include "answer/frames.h"
#include "base/arena.h"
#include "base/codec/eventstream.h"
#include "base/codec/json.h"
#include "support/frames_run.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { KINDS = 4, SMALL_CAP = 0x10, KEEP_CRC = 0x20 };

static void
put_crc(char *to, struct span of)
{
	uint32_t crc = eventstream_crc(0, of);

	for (int i = 0; i < 4; i++)
		to[i] = (char)(crc >> (24 - 8 * i));
}

static void
repair(char *p, size_t n)
{
	while (n >= EVENTSTREAM_LEAST) {
		size_t total = 0;
		for (int i = 0; i < 4; i++)
			total = total << 8 | (unsigned char)p[i];
		put_crc(p + 8, span_of(p, 8));
		if (total < EVENTSTREAM_LEAST || total > n)
			return;
		put_crc(p + total - 4, span_of(p, total - 4));
		p += total;
		n -= total;
	}
}

static void
run(struct frames_run *r, enum frames_kind kind, size_t cap, struct span in, size_t step)
{
	frames_run_init(r, kind, cap);
	for (size_t at = 0; at < in.n; at += step)
		frames_run_feed(r, span_cut(in, at, at + step));
	frames_run_end(r);
}

/* Forwarded whole: the same bytes. Rewritten: as many frames, which can be parsed again. */
static void
forward(enum frames_kind kind, size_t cap, struct span in, bool rewrite, struct buf *out)
{
	struct frames f;
	struct frame fr;
	struct frame_writer w;
	struct buf scratch;
	int r;

	frames_init(&f, kind, cap);
	frame_writer_init(&w, kind);
	buf_init(&scratch, 0);
	while ((r = frames_next(&f, &in, &fr)) > 0) {
		if (!rewrite || fr.over) {
			frame_pass(&w, &fr, out);
			continue;
		}
		frame_unwrap(&fr, &scratch);
		if (frame_rewrite(&w, &fr, SPAN_LIT("{\"x\":1}"), out))
			abort();
	}
	if (r == 0 && frames_end(&f, &fr) == FRAME_WHOLE)
		frame_pass(&w, &fr, out);
	frames_free(&f);
	buf_free(&scratch);
}

/* The elements of an array that the JSON reader accepts must be equal. */
static void
compare_with_reader(struct span in, struct frames_run *r)
{
	struct arena a;
	struct json_event ev, first;
	struct buf want;

	arena_init(&a, 0, false);
	buf_init(&want, 0);
	struct json *j = json_open(&a, in);
	bool array = json_next(j, &ev) == JSON_ARRAY;
	while (array && json_next(j, &ev) != JSON_ARRAY_END && ev.tok != JSON_ERROR) {
		first = ev;
		if (json_skip(j, &ev) == JSON_ERROR)
			break;
		size_t quote = first.tok == JSON_STRING, end = first.end;
		if (first.tok == JSON_OBJECT || first.tok == JSON_ARRAY) {
			/* The end is before the separator of the next token, so it is found by
			 * depth. */
			size_t depth = 0;
			bool string = false;
			for (end = first.start;; end++) {
				char c = in.p[end];
				if (string && c == '\\')
					end++;
				else if (c == '"')
					string = !string;
				else if (!string && (c == '{' || c == '['))
					depth++;
				else if (!string && (c == '}' || c == ']') && --depth == 0)
					break;
			}
			end++;
		}
		buf_putc(&want, '|');
		buf_span(&want, span_cut(in, first.start - quote, end + quote));
		buf_putc(&want, ';');
	}
	if (array && json_next(j, &ev) == JSON_END &&
		(r->err || !span_eq(buf_view(&want), buf_view(&r->events))))
		abort();
	buf_free(&want);
	arena_reset(&a);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct frames_run whole, cut, again;
	struct buf out;

	if (size < 2)
		return 0;
	enum frames_kind kind = data[0] % KINDS;
	size_t cap = data[0] & SMALL_CAP ? 40 : 0, n = size - 2;
	char *copy = malloc(n ? n : 1);
	memcpy(copy, data + 2, n);
	if (kind == FRAMES_EVENTSTREAM && !(data[0] & KEEP_CRC))
		repair(copy, n);
	struct span in = span_of(copy, n);
	run(&whole, kind, cap, in, n ? n : 1);
	run(&cut, kind, cap, in, (size_t)data[1] % 16 + 1);
	/* Pieces over the limit depend on the cut, and pieces of a message with a wrong CRC may
	 * already have been given out. */
	if (whole.err != cut.err || (!(cap && whole.err) && !span_eq(buf_view(&whole.events),
								    buf_view(&cut.events))))
		abort();
	if (!whole.err &&
		(!span_eq(buf_view(&whole.raw), in) || !span_eq(buf_view(&cut.raw), in)))
		abort();
	if (!span_starts(in, buf_view(&cut.raw)))
		abort();
	buf_init(&out, 0);
	forward(kind, cap, in, false, &out);
	if (!span_eq(buf_view(&out), buf_view(&whole.raw)))
		abort();
	buf_clear(&out);
	forward(kind, 0, in, true, &out);
	run(&again, kind, 0, buf_view(&out), out.n ? out.n : 1);
	if (!cap && !whole.err && (again.err || again.frames != whole.frames))
		abort();
	if (kind == FRAMES_ARRAY && !cap)
		compare_with_reader(in, &whole);
	buf_free(&out);
	frames_run_free(&whole);
	frames_run_free(&cut);
	frames_run_free(&again);
	free(copy);
	return 0;
}
