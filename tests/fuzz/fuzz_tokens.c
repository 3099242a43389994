/* Any bytes are cut into pieces without a gap, and their tokens are those bytes again; lines of
 * ranks and files of them are refused or can be used. The first byte chooses. */
#include <stdlib.h>

#include "tokens/bpe.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct decoded {
	const struct ranks *r;
	struct span left;
	uint64_t tokens;
};

static int
take_token(void *arg, uint32_t id)
{
	struct decoded *d = arg;
	struct span t = ranks_token(d->r, id);

	if (id >= d->r->head->tokens || !span_starts(d->left, t))
		abort();
	d->left = span_cut(d->left, t.n, d->left.n);
	d->tokens++;
	return 0;
}

static void
encode(const struct ranks *r, struct span text)
{
	struct decoded d = { r, text, 0 };
	struct bpe_count n;

	if (bpe_encode(r, text, take_token, &d) || d.left.n)
		abort();
	if (bpe_count(r, text, &n) || n.tokens < d.tokens || (!n.bounded && n.tokens != d.tokens))
		abort();
}

/* Bytes, and the pairs of them that a text has. */
static struct ranks *
vocabulary(const struct split_pattern *p)
{
	static const char *const pairs[] = { "YWE=", "YWFhYQ==", "IGE=", "5LiA", "5Li=", "4Lg=", "DQo=",
		"ICA=", "J3M=", "YWI=" };
	static const char letters[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	struct buf lines, file;
	struct ranks *r = NULL;
	const char *why;
	size_t line;

	buf_init(&lines, 0);
	buf_init(&file, 0);
	for (unsigned i = 0; i < 256; i++)
		buf_printf(&lines, "%c%c== %u\n", letters[i >> 2], letters[(i & 3) << 4], i);
	for (unsigned i = 0; i < COUNT_OF(pairs); i++)
		buf_printf(&lines, "%s %u\n", pairs[i], 256 + i);
	if (ranks_pack(buf_view(&lines), "fuzz", p, &file, &line, &why) ||
		ranks_over(buf_view(&file), &r, &why))
		abort();
	buf_free(&lines);
	buf_free(&file);
	return r;
}

static void
pack_lines(struct span lines, struct span text)
{
	const char *why;
	struct ranks *r;
	struct buf file;
	size_t line;

	buf_init(&file, 0);
	if (ranks_pack(lines, "fuzz", split_find(SPAN_LIT("o200k")), &file, &line, &why) == 0) {
		if (ranks_over(buf_view(&file), &r, &why))
			abort();
		encode(r, text);
		ranks_close(&r);
	}
	buf_free(&file);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct ranks *v[8];
	struct ranks *r;
	const char *why;

	if (size < 1)
		return 0;
	struct span in = span_of(data + 1, size - 1);
	unsigned which = data[0] & 7;
	if (which == 7) {
		if (ranks_over(in, &r, &why) == 0)
			ranks_close(&r);
		return 0;
	}
	if (which == 6) {
		pack_lines(in, in);
		return 0;
	}
	if (!v[which])
		v[which] = vocabulary(&split_patterns[which]);
	encode(v[which], in);
	return 0;
}
