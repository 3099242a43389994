/* Counting tokens: the splitter by rows, merging compared with its definition over vocabularies
 * made here, and damaged files of ranks. tests/e2e/tokens.sh compares ids with another
 * implementation's over the published vocabularies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "base/err.h"
#include "base/tokens/bpe.h"
#include "support/byte_ranks.h"
#include "support/guard.h"

/* ---- splitting ---- */

/* clang-format off */
static const struct {
	const char *name, *text, *plain, *cased, *gpt2; /* pieces separated by | */
} splits[] = {
	{ "an ending with an apostrophe", "Hello, World's end", "Hello|,| World|'s| end", "Hello|,| World's| end", "Hello|,| World|'s| end" },
	{ "in capitals; white space", "I'LL  go\n\n  home  ", "I|'LL| | go|\n\n| | home|  ", "I'LL| | go|\n\n| | home|  ", "I|'|LL| | go|\n\n | home|  " },
	{ "three digits at a time", "12345 and 7", "123|45| and| |7", "123|45| and| |7", "12345| and| 7" },
	{ "a capital after a letter without case", "漢A b", "漢A| b", "漢|A| b", "漢A| b" },
	{ "a mark before a capital", "\u0301A", "\u0301A", "\u0301|A", "\u0301|A" },
	{ "slashes after a line's end", "x/\n//y", "x|/\n|//|y", "x|/\n//|y", "x|/|\n|//|y" },
	{ "capitals inside a word", "HTTPServer iOS", "HTTPServer| iOS", "HTTPServer| i|OS", "HTTPServer| iOS" },
	{ "CR LF", "a\r\nb", "a|\r\n|b", "a|\r\n|b", "a|\r|\n|b" },
	{ "a tab goes with the word after it", "tab\tx", "tab|\tx", "tab|\tx", "tab|\t|x" },
	{ "the long s is an s", "a'\u017Fb", "a|'\u017F|b", "a'\u017F|b", "a|'|\u017Fb" },
	{ "numbers of every kind", "½²Ⅷ9", "½²Ⅷ|9", "½²Ⅷ|9", "½²Ⅷ9" },
	{ "a mark after a sign", "!\u0301a", "!\u0301|a", "!\u0301a", "!\u0301|a" },
	{ "a byte order mark is no space", "\uFEFFa b", "\uFEFFa| b", "\uFEFFa| b", "\uFEFF|a| b" },
	{ "next line is a space", "a\xC2\x85" "b", "a|\xC2\x85" "b", "a|\xC2\x85" "b", "a|\xC2\x85|b" },
	{ "bytes that are no UTF-8", "a\xFF\xC3z\xE4\xB8", "a|\xFF\xC3|z|\xE4\xB8", "a|\xFF\xC3|z|\xE4\xB8", "a|\xFF\xC3|z|\xE4\xB8" },
};
/* clang-format on */

static void
split_text(const char *pattern, const char *text, char *out)
{
	size_t n = strlen(text), at = 0, o = 0;
	char *copy = guard_dup(text, n);
	const struct split_pattern *p = split_find(span_str(pattern));

	while (at < n) {
		size_t end = split_next(p, span_of(copy, n), at);
		assert_true(end > at && end <= n);
		if (at)
			out[o++] = '|';
		memcpy(out + o, copy + at, end - at);
		o += end - at;
		at = end;
	}
	out[o] = '\0';
	guard_free(copy, n);
}

static void
texts_are_split_by_the_patterns(void **state)
{
	unsigned wrong = 0;
	char got[200];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(splits); i++) {
		const char *const want[] = { splits[i].plain, splits[i].cased, splits[i].gpt2 },
				  *const names[] = { "cl100k", "o200k", "gpt2" };
		for (size_t k = 0; k < 3; k++) {
			split_text(names[k], splits[i].text, got);
			if (strcmp(got, want[k]) == 0)
				continue;
			print_error("%s, %s: want %s, got %s\n", splits[i].name, names[k],
				want[k], got);
			wrong++;
		}
	}
	split_text("qwen", "a12b", got);
	assert_string_equal(got, "a|1|2|b");
	split_text("tekken", "it's 12", got);
	assert_string_equal(got, "it|'s| |1|2");
	assert_null(split_find(SPAN_LIT("gpt9")));
	assert_int_equal(wrong, 0);
}

/* ---- vocabularies ---- */

static const char sample[] =
	"the thing that they thought was there, then the others; "
	"我们的数据，我们的系统。我们在这里，"
	"数据的记录在系统里。 “quoted” and “others” — données, été, für über. требуется данные "
	"日本語のテキストと設定、データの記録。🙂🙂 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa "
	" "
	"\n\n\t\t  x==y;";

struct vocabulary {
	unsigned char bytes[2000][16];
	size_t len[2000], n;
};

static size_t
known(const struct vocabulary *v, const void *p, size_t n)
{
	for (size_t i = 0; i < v->n; i++)
		if (v->len[i] == n && memcmp(v->bytes[i], p, n) == 0)
			return i;
	return SIZE_MAX;
}

static void
add(struct vocabulary *v, const void *p, size_t n)
{
	if (v->n == COUNT_OF(v->len) || n > sizeof(v->bytes[0]) || known(v, p, n) != SIZE_MAX)
		return;
	memcpy(v->bytes[v->n], p, n);
	v->len[v->n++] = n;
}

/* The definition: single bytes; the two with the lowest rank become one, the leftmost first. */
static size_t
merge_plainly(const struct vocabulary *v, const char *p, size_t n, size_t *start)
{
	size_t parts = n;

	for (size_t i = 0; i <= n; i++)
		start[i] = i;
	for (;;) {
		size_t best = SIZE_MAX, at = 0;
		for (size_t i = 0; i + 1 < parts; i++) {
			size_t r = known(v, p + start[i], start[i + 2] - start[i]);
			if (r < best) {
				best = r;
				at = i;
			}
		}
		if (best == SIZE_MAX)
			return parts;
		memmove(start + at + 1, start + at + 2, (parts - at - 1) * sizeof(*start));
		parts--;
	}
}

static void
begin(struct vocabulary *v)
{
	v->n = 0;
	for (unsigned i = 0; i < 256; i++)
		add(v, &(unsigned char){ (unsigned char)(i ^ 0x41) }, 1);
}

/* As vocabularies are learned: the most frequent pair becomes a token. */
static void
learn(struct vocabulary *v, size_t tokens)
{
	size_t start[sizeof(sample) + 1], n = sizeof(sample) - 1;

	begin(v);
	while (v->n < tokens) {
		size_t parts = merge_plainly(v, sample, n, start), best = 0, at = 0;
		for (size_t i = 0; i + 1 < parts; i++) {
			size_t len = start[i + 2] - start[i], same = 0;
			for (size_t k = 0; k + 1 < parts && len <= sizeof(v->bytes[0]); k++)
				same += start[k + 2] - start[k] == len &&
					memcmp(sample + start[i], sample + start[k], len) == 0;
			if (same > best) {
				best = same;
				at = i;
			}
		}
		if (best < 2)
			return;
		add(v, sample + start[at], start[at + 2] - start[at]);
	}
}

/* Random runs of bytes of the sample, in any order: tokens that begin and end inside
 * characters, and tokens before the ones that they consist of. */
static void
scatter(struct vocabulary *v, size_t tokens)
{
	begin(v);
	while (v->n < tokens) {
		size_t at = (size_t)rand() % (sizeof(sample) - 8);
		add(v, sample + at, 2 + (size_t)rand() % 5);
	}
}

static struct ranks *
open_vocabulary(const struct vocabulary *v, const char *pattern, struct buf *file)
{
	static const char letters[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *why = "";
	struct buf lines;
	struct ranks *r = NULL;
	size_t line;

	buf_init(&lines, 0);
	for (size_t i = 0; i < v->n; i++) {
		const unsigned char *b = v->bytes[i];
		for (size_t k = 0; k < v->len[i]; k += 3) {
			size_t left = v->len[i] - k;
			unsigned w = (unsigned)b[k] << 16 |
				     (left > 1 ? (unsigned)b[k + 1] << 8 : 0) |
				     (left > 2 ? b[k + 2] : 0);
			buf_putc(&lines, letters[w >> 18]);
			buf_putc(&lines, letters[w >> 12 & 63]);
			buf_putc(&lines, left > 1 ? letters[w >> 6 & 63] : '=');
			buf_putc(&lines, left > 2 ? letters[w & 63] : '=');
		}
		buf_printf(&lines, " %zu\n", i);
	}
	buf_clear(file);
	if (ranks_pack(buf_view(&lines), "test", split_find(span_str(pattern)), file, &line,
		    &why) ||
		ranks_over(buf_view(file), &r, &why))
		fail_msg("line %zu: %s", line, why);
	buf_free(&lines);
	return r;
}

struct ids {
	uint32_t v[4096];
	size_t n;
};

static int
keep_id(void *arg, uint32_t id)
{
	struct ids *ids = arg;

	ids->v[ids->n++] = id;
	return 0;
}

/* Returns true if the encoded ids and their number equal those of the definition. */
static bool
same_as_plain(const struct vocabulary *v, const struct ranks *r, const char *text, size_t n)
{
	size_t start[512], want = 0;
	struct bpe_count count;
	struct ids ids = { .n = 0 };
	char *copy = guard_dup(text, n);
	bool same = bpe_encode(r, span_of(copy, n), keep_id, &ids) == 0 &&
		    bpe_count(r, span_of(copy, n), &count) == 0 && count.tokens == ids.n &&
		    !count.bounded;

	for (size_t at = 0, end; at < n && same; at = end) {
		end = split_next(r->pattern, span_of(copy, n), at);
		size_t whole = known(v, copy + at, end - at);
		size_t parts =
			whole != SIZE_MAX ? 1 : merge_plainly(v, copy + at, end - at, start);
		for (size_t i = 0; i < parts && same; i++, want++) {
			size_t id = whole != SIZE_MAX ? whole
						      : known(v, copy + at + start[i],
								start[i + 1] - start[i]);
			same = want < ids.n && ids.v[want] == id;
		}
	}
	guard_free(copy, n);
	return same && want == ids.n;
}

/* Bytes of the sample, cut anywhere; its characters; one of its characters. */
static size_t
make_text(char *out, int round)
{
	size_t n = 0, most = 1 + (size_t)rand() % 300;

	while (n < most) {
		size_t at = (size_t)rand() % (sizeof(sample) - 16),
		       len = 1 + (size_t)rand() % 12;
		if (round % 3) {
			while (((unsigned char)sample[at] & 0xC0) == 0x80)
				at++;
			len = utf8_sequence(sample + at, sizeof(sample) - 1 - at);
		}
		for (int times = round % 3 == 2 ? 1 + rand() % 20 : 1;
			times > 0 && n + len < 400; times--) {
			memcpy(out + n, sample + at, len);
			n += len;
		}
		if (n + 12 >= 400)
			break;
	}
	return n;
}

static void
merging_equals_its_definition(void **state)
{
	static struct vocabulary v;
	unsigned wrong = 0, whole = 0;
	struct buf file;
	char text[512];

	(void)state;
	buf_init(&file, 0);
	for (unsigned seed = 0; seed < 10; seed++) {
		srand(seed);
		if (seed == 0)
			learn(&v, 400);
		else
			scatter(&v, 280 + 30 * seed);
		struct ranks *r = open_vocabulary(&v, seed % 2 ? "o200k" : "cl100k", &file);
		for (size_t i = 0; i < RANKS_WHOLE_BITS / 64; i++)
			whole += (unsigned)__builtin_popcountll(r->whole[i]);
		for (int round = 0; round < 60; round++) {
			size_t n = make_text(text, round);
			if (!same_as_plain(&v, r, text, n) && wrong++ < 3)
				print_error(
					"seed %u, round %d: %.*s\n", seed, round, (int)n, text);
		}
		ranks_close(&r);
	}
	buf_free(&file);
	assert_int_equal(wrong, 0);
	assert_true(whole > 20); /* the fast path was used */
}

/* A token that ranks before the character in it: merging cannot start from that character. */
static void
character_with_a_late_rank_is_merged_from_bytes(void **state)
{
	static const char *const tokens[] = { "\xE4\xBB", "们", "\xE7\x9A", "的", "我们",
		"们的", "\xE6\x88", "我" };
	static struct vocabulary v;
	struct buf file;

	(void)state;
	buf_init(&file, 0);
	begin(&v);
	for (size_t i = 0; i < COUNT_OF(tokens); i++)
		add(&v, tokens[i], strlen(tokens[i]));
	struct ranks *r = open_vocabulary(&v, "o200k", &file);
	assert_true(same_as_plain(&v, r, "我们的", strlen("我们的")));
	ranks_close(&r);
	buf_free(&file);
}

/* In a long text pieces repeat, and their result is remembered. */
static void
long_text_is_the_sum_of_its_pieces(void **state)
{
	static struct vocabulary v;
	static char text[40000];
	unsigned wrong = 0;
	struct buf file;

	(void)state;
	buf_init(&file, 0);
	for (unsigned seed = 0; seed < 6; seed++) {
		size_t n = 0;
		srand(seed);
		scatter(&v, 300);
		struct ranks *r = open_vocabulary(&v, seed % 2 ? "o200k" : "cl100k", &file);
		for (int round = 0; n + 400 < sizeof(text); round++)
			n += make_text(text + n, round);
		struct bpe_count count;
		uint64_t tokens = 0;
		for (size_t at = 0, end; at < n; at = end) {
			struct bpe_count one;
			end = split_next(r->pattern, span_of(text, n), at);
			assert_int_equal(bpe_count(r, span_of(text + at, end - at), &one), 0);
			/* alone the piece may be split differently: a mark, white space */
			if (split_next(r->pattern, span_of(text + at, end - at), 0) !=
				end - at) {
				struct ids ids = { .n = 0 };
				bpe_encode(r, span_of(text + at, end - at), keep_id, &ids);
				one.tokens = ids.n;
			}
			tokens += one.tokens;
		}
		assert_int_equal(bpe_count(r, span_of(text, n), &count), 0);
		wrong += count.tokens != tokens;
		ranks_close(&r);
	}
	buf_free(&file);
	assert_int_equal(wrong, 0);
}

static void
run_without_a_break_is_bounded_by_its_bytes(void **state)
{
	static struct vocabulary v;
	static char text[BPE_PIECE_MAX + 101];
	struct bpe_count count;
	struct buf file;

	(void)state;
	buf_init(&file, 0);
	learn(&v, 320);
	struct ranks *r = open_vocabulary(&v, "o200k", &file);
	memset(text, 'a', sizeof(text));
	assert_int_equal(bpe_count(r, span_of(text, BPE_PIECE_MAX), &count), 0);
	assert_false(count.bounded);
	assert_true(count.tokens < BPE_PIECE_MAX / 2);
	text[BPE_PIECE_MAX + 1] = ' ';
	uint64_t rest = 0;
	assert_int_equal(bpe_count(r, span_of(text + BPE_PIECE_MAX + 1, 100), &count), 0);
	rest = count.tokens;
	assert_int_equal(bpe_count(r, span_of(text, sizeof(text)), &count), 0);
	assert_true(count.bounded);
	assert_int_equal(count.tokens, BPE_PIECE_MAX + 1 + rest);
	assert_int_equal(bpe_count(r, span_of("", 0), &count), 0);
	assert_int_equal(count.tokens, 0);
	ranks_close(&r);
	buf_free(&file);
}

/* ---- files ---- */

static void
damaged_vocabulary_is_refused(void **state)
{
	static struct vocabulary v;
	struct buf file;
	struct ranks *r;
	const char *why = NULL;

	(void)state;
	srand(7);
	buf_init(&file, 0);
	scatter(&v, 300);
	r = open_vocabulary(&v, "o200k", &file);
	assert_string_equal(r->head->name, "test");
	ranks_close(&r);
	char *p = file.p + file.start;
	for (int i = 0; i < 300; i++) {
		size_t at = i < 170 ? (size_t)i : (size_t)rand() % file.n;
		p[at] ^= 0x10;
		if (ranks_over(buf_view(&file), &r, &why) == 0)
			fail_msg("byte %zu is not missed", at);
		assert_true(why && *why);
		p[at] ^= 0x10;
	}
	for (size_t n = 1; n < file.n; n += n < 300 ? 1 : 9973)
		assert_int_equal(ranks_over(span_of(p, n), &r, &why), ERR_SYNTAX);
	assert_int_equal(ranks_open("/nonexistent/x.ranks", &r, &why), ERR_IO);
	assert_int_equal(ranks_open("Makefile", &r, &why), ERR_SYNTAX);
	assert_string_equal(why, "the file is not a vocabulary file");
	buf_free(&file);
}

static void
invalid_lines_of_a_vocabulary_are_named(void **state)
{
	static const struct {
		const char *name, *lines, *why;
		int err;
		size_t line;
	} rows[] = {
		{ "no rank", "QQ==\n", "a line is \"BASE64 RANK\"", ERR_SYNTAX, 1 },
		{ "a rank that is no number", "QQ== 0\nQg== x\n", "a line is \"BASE64 RANK\"",
			ERR_SYNTAX, 2 },
		{ "a rank beyond", "QQ== 9\n",
			"the rank is beyond the number of lines: ranks have no gaps", ERR_RANGE,
			1 },
		{ "no base64", "Q! 0\n", "the token is not base64, is empty, or is too long",
			ERR_SYNTAX, 1 },
		{ "a rank twice", "QQ== 0\nQg== 0\n", "the rank occurs twice", ERR_DUPLICATE,
			2 },
		{ "a gap", "QQ== 0\n\nQg== 2\n", "a rank is missing: ranks have no gaps",
			ERR_SYNTAX, 0 },
		{ "two tokens", "QQ== 0\nQg== 1\n",
			"the name is too long, or the vocabulary too small", ERR_RANGE, 0 },
	};
	struct buf out;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const char *why;
		size_t line;
		buf_init(&out, 0);
		int err = ranks_pack(span_str(rows[i].lines), "x",
			split_find(SPAN_LIT("o200k")), &out, &line, &why);
		if (err != rows[i].err || line != rows[i].line || strcmp(why, rows[i].why) != 0)
			fail_msg("%s: %d, line %zu: %s", rows[i].name, err, line, why);
		buf_free(&out);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts_are_split_by_the_patterns),
		cmocka_unit_test(merging_equals_its_definition),
		cmocka_unit_test(character_with_a_late_rank_is_merged_from_bytes),
		cmocka_unit_test(long_text_is_the_sum_of_its_pieces),
		cmocka_unit_test(run_without_a_break_is_bounded_by_its_bytes),
		cmocka_unit_test(damaged_vocabulary_is_refused),
		cmocka_unit_test(invalid_lines_of_a_vocabulary_are_named),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
