/* Two streams with different cuts give the same pieces: they are the text in order, their
 * findings do not overlap and lie inside, and held text is bounded. With long pieces a stream
 * may find more (stream.h). The first byte is the length of a key, the next two select the
 * cuts. */
#include <stdlib.h>

#include "base/caps.h"
#include "base/err.h"
#include "support/detect_fix.h"
#include "support/stream_run.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct stream_run whole, cut;

static void
check(const struct stream_run *r, struct span text)
{
	size_t last = 0;

	if (r->wrong || !span_eq(buf_view(&r->text), text) || r->held > CAP_STREAM_HELD)
		abort();
	for (size_t i = 0; i < r->n; i++) {
		if (r->found[i].start < last || r->found[i].end <= r->found[i].start ||
			r->found[i].end > text.n)
			abort();
		last = r->found[i].end;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct detect_rules *rules = detect_fix()->rules;
	struct detect_scratch *scratch = detect_fix()->scratch;
	size_t at[8];

	if (size < 3)
		return 0;
	size_t key = data[0] % 32 < size - 3 ? data[0] % 32 : 0;
	struct detect_options opt = { .before = span_of(data + 3, key) };
	struct span text = span_of(data + 3 + key, size - 3 - key);
	int err = stream_run(&whole, rules, scratch, &opt, text, NULL, 0, 0);
	if (err && err != ERR_LIMIT)
		abort();
	if (!err)
		check(&whole, text);
	err = stream_run(&whole, rules, scratch, &opt, text, NULL, 0, STREAM_LONG - 1);
	if (err && err != ERR_LIMIT)
		abort();
	/* The third byte spreads the cuts, or the second byte gives the length of all
	 * pieces. */
	for (size_t i = 0; i < 8; i++)
		at[i] = text.n * i / 8 + (size_t)data[2] * i % (text.n / 8 + 1);
	size_t each = data[1] % 2 ? 1 + data[1] / 2 : 0;
	/* The pieces are at most a quarter of the text. */
	bool is_long = !each && text.n / 4 + 2 >= STREAM_LONG;
	int other = stream_run(&cut, rules, scratch, &opt, text, at, 8, each);
	if (other != err && !is_long)
		abort();
	if (err || other)
		return 0;
	check(&whole, text);
	check(&cut, text);
	if (!is_long && !stream_run_same(&whole, &cut))
		abort();
	return 0;
}
