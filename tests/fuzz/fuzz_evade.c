/* Any obfuscation of values: findings must lie inside the text, sorted, without overlap, and
 * cut no character. The same text must give the same findings. Every place that an escape or a
 * fold reports must lie inside the text. A scan must end with all its findings or with
 * ERR_LIMIT. */
#include <stdlib.h>

#include "base/utf8.h"
#include "base/err.h"
#include "scan/detect/detect.h"
#include "scan/detect/disguise/decode.h"
#include "scan/detect/disguise/fold.h"
#include "scan/detect/disguise/unescape.h"
#include "support/detect_fix.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
inside_character(struct span t, size_t at)
{
	return at < t.n && (t.p[at] & 0xC0) == 0x80;
}

static void
pieces(struct span t)
{
	size_t blobs = 0, codes[CODE_BASES] = { 0 };
	struct blob_lines lines[BLOB_WRAPPED] = { 0 };

	for (size_t i = 0; i < t.n; i++) {
		size_t bytes;
		bool valid;
		fold_char(fold_decode(t.p + i, t.n - i, &bytes, &valid));
		if (bytes == 0 || i + bytes > t.n)
			abort();
		if (memchr("\\%&=", t.p[i], 4)) {
			struct unescaped u = unescape(t, i);
			if (u.end && (u.end <= i || u.end > t.n || u.n > u.end - i))
				abort();
		}
		struct blob b = { 0 };
		if (i >= blobs && blob_find(t, i, &b, lines, &blobs) &&
			(b.start < i || b.end <= b.start || b.end > t.n || b.from >= t.n))
			abort();
		for (size_t k = 0; k < CODE_BASES; k++)
			if (i >= codes[k] && blob_codes(t, i, code_bases[k], &b, &codes[k]) &&
				(b.start != i || b.end > t.n))
				abort();
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct detect_rules *rules = detect_fix()->rules;
	struct detect_scratch *scratch = detect_fix()->scratch;
	struct span text = span_of(data, size);
	struct findings f, again;
	struct arena a;

	arena_init(&a, 0, false);
	int err = detect_scan(rules, scratch, text, NULL, &a, &f);
	if (err && (err != ERR_LIMIT || f.n))
		abort();
	bool utf8 = utf8_valid(text);
	for (size_t i = 0, last = 0; !err && i < f.n; last = f.v[i++].end) {
		const struct finding *x = &f.v[i];
		if (x->start < last || x->end <= x->start || x->end > text.n ||
			x->flags & 0x8000u)
			abort();
		if (utf8 &&
			(inside_character(text, x->start) || inside_character(text, x->end)))
			abort();
	}
	if (!err && (detect_scan(rules, scratch, text, NULL, &a, &again) || again.n != f.n ||
			    again.evasion != f.evasion))
		abort();
	pieces(text);
	arena_reset(&a);
	return 0;
}
