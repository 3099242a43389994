/* codec/inflate: every coding whole, cut at every offset and with data after it, and the
 * limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include <zlib.h>
#include <zstd.h>

#include "base/caps.h"
#include "base/codec/inflate.h"
#include "base/err.h"
#include "support/guard.h"

static const char TEXT[] =
	"{\"messages\":[{\"role\":\"user\",\"content\":\"hello hello hello, is this thing "
	"on? hello\"}]}";
static const char BROTLI[] = "\x1b\x54\x00\x00\x04\xbe\xf9\x47\x7a\x7b\x1c\xd0\x49\x04\x2d\xfe"
			     "\xd6\x9f\xb7\x9c\x72\xe0\x12\x58\x2b\xc9"
			     "\xc2\xf3\x05\x0e\x78\x8f\xb1\xa3\x8c\x65\x29\x57\xe2\xc5\xd4\xe0"
			     "\x5a\xcc\x05\x53\x4a\x78\x04\x73\x6f\x34"
			     "\xd1\xbf\xa2\x42\xf7\xee\x80\x35\x4f\x7f\x52\x2c\xd7\x07";
/* 20 MB of spaces */
static const char BROTLI_BOMB[] = "\xcb\xff\xff\x3f\x00\x24\x40\xe2\xb1\x40\x72\xef\xff\xf8\xff"
				  "\xff\x07\x80\x04\x40\x1c\x16\x80\xee\xfd\x5f"
				  "\xfe\xff\xff\x00\x90\x00\x88\xc3\x02\xd0\xbd\xff\x01";

enum { RAW = -15, ZLIB = 15, GZIP = 31 };

static void
pack(struct buf *out, int bits, const void *p, size_t n)
{
	z_stream z = { 0 };

	assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, bits, 8, Z_DEFAULT_STRATEGY), Z_OK);
	size_t room = deflateBound(&z, n) + 64;
	z.next_out = (Bytef *)buf_reserve(out, room);
	z.avail_out = (uInt)room;
	union {
		const void *c;
		Bytef *b;
	} in = { p };
	z.next_in = in.b;
	z.avail_in = (uInt)n;
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	buf_commit(out, room - z.avail_out);
	deflateEnd(&z);
}

/* Decompresses a copy that ends at a guard page. */
static int
unpack(const char *coding, struct span in, size_t cap, struct buf *out)
{
	char *p = guard_dup(in.p, in.n);

	buf_init(out, cap);
	int err = inflate_all(span_str(coding), span_of(p, in.n), CAP_INFLATE_RATIO, out);
	guard_free(p, in.n);
	return err;
}

static void
check(const char *coding, struct span in)
{
	struct buf out, longer;
	char with_tail[512];

	assert_int_equal(unpack(coding, in, 0, &out), 0);
	assert_true(span_is(buf_view(&out), TEXT));
	buf_free(&out);
	for (size_t cut = 0; cut < in.n; cut++) {
		int err = unpack(coding, span_cut(in, 0, cut), 0, &out);
		if (err != ERR_TRUNCATED)
			fail_msg("%s cut at %zu: %d", coding, cut, err);
		buf_free(&out);
	}
	memcpy(with_tail, in.p, in.n);
	memcpy(with_tail + in.n, "xx", 2);
	assert_int_equal(unpack(coding, span_of(with_tail, in.n + 2), 0, &out), ERR_SYNTAX);
	buf_free(&out);
	/* A limit of exactly the size is enough; one byte less is not. */
	assert_int_equal(unpack(coding, in, strlen(TEXT), &out), 0);
	buf_free(&out);
	assert_int_equal(unpack(coding, in, strlen(TEXT) - 1, &out), ERR_LIMIT);
	assert_true(out.n <= strlen(TEXT) - 1);
	buf_free(&out);
	/* Bytes already in the buffer are kept and counted. */
	buf_init(&longer, strlen(TEXT) + 2);
	buf_str(&longer, "ab");
	assert_int_equal(inflate_all(span_str(coding), in, CAP_INFLATE_RATIO, &longer), 0);
	assert_true(longer.n == strlen(TEXT) + 2 &&
		    span_starts(buf_view(&longer), SPAN_LIT("ab{")));
	buf_free(&longer);
}

static void
every_coding_is_decompressed(void **state)
{
	struct buf b, out;

	(void)state;
	buf_init(&b, 0);
	pack(&b, GZIP, TEXT, strlen(TEXT));
	check("gzip", buf_view(&b));
	check("X-GZip", buf_view(&b));
	buf_clear(&b);
	pack(&b, ZLIB, TEXT, strlen(TEXT));
	check("deflate", buf_view(&b));
	buf_clear(&b);
	pack(&b, RAW, TEXT, strlen(TEXT));
	check(" Deflate ", buf_view(&b));
	check("br", span_of(BROTLI, sizeof(BROTLI) - 1));
	assert_int_equal(unpack("identity", SPAN_LIT("abc"), 3, &out), 0);
	assert_true(span_is(buf_view(&out), "abc"));
	buf_free(&out);
	assert_int_equal(unpack("identity", SPAN_LIT("abc"), 2, &out), ERR_LIMIT);
	buf_free(&out);
	buf_free(&b);
}

static void
zstd_is_decompressed(void **state)
{
	char packed[512];
	struct buf out;
	size_t n = ZSTD_compress(packed, sizeof(packed), TEXT, strlen(TEXT), 3);

	(void)state;
	assert_false(ZSTD_isError(n));
	check("zstd", span_of(packed, n));
	/* frames follow each other; a wrong byte and a window of 16 MB are refused */
	memcpy(packed + n, packed, n);
	assert_int_equal(unpack("ZSTD", span_of(packed, 2 * n), 0, &out), 0);
	assert_int_equal(out.n, 2 * strlen(TEXT));
	buf_free(&out);
	assert_int_equal(unpack("zstd", span_of(packed, 2 * n - 1), 0, &out), ERR_TRUNCATED);
	buf_free(&out);
	packed[0] ^= 1;
	assert_int_equal(unpack("zstd", span_of(packed, n), 0, &out), ERR_SYNTAX);
	buf_free(&out);
	assert_int_equal(unpack("zstd", SPAN_LIT("\x28\xb5\x2f\xfd\x00\x70\x01\x00\x00"), 0, &out),
		ERR_SYNTAX);
	buf_free(&out);
	assert_int_equal(unpack("zstd", SPAN_LIT("\x28\xb5\x2f\xfd\x00\x68\x01\x00\x00"), 0, &out),
		0);
	buf_free(&out);
}

static void
unknown_and_stacked_codings_are_refused(void **state)
{
	static const char *const codings[] = { "", "zst", "gzip, gzip", "gzip,br",
		"identity, gzip", "gzip;q=1", "compress", "gzipx", "gzi" };
	struct buf out;

	(void)state;
	for (size_t i = 0; i < sizeof(codings) / sizeof(codings[0]); i++) {
		assert_int_equal(unpack(codings[i], SPAN_LIT("x"), 0, &out), ERR_UNSUPPORTED);
		buf_free(&out);
	}
}

static void
gzip_may_have_several_members(void **state)
{
	struct buf b, out;

	(void)state;
	buf_init(&b, 0);
	for (int i = 0; i < 3; i++)
		pack(&b, GZIP, "ab", i == 1 ? 0 : 2);
	assert_int_equal(unpack("gzip", buf_view(&b), 0, &out), 0);
	assert_true(span_is(buf_view(&out), "abab"));
	buf_free(&out);
	/* Bytes after a member must be the next member. */
	buf_putc(&b, '\x1f');
	assert_int_equal(unpack("gzip", buf_view(&b), 0, &out), ERR_TRUNCATED);
	buf_free(&out);
	buf_str(&b, "x");
	assert_int_equal(unpack("gzip", buf_view(&b), 0, &out), ERR_SYNTAX);
	buf_free(&out);
	buf_free(&b);
}

static void
damaged_data_is_refused(void **state)
{
	struct buf b, out;

	(void)state;
	buf_init(&b, 0);
	pack(&b, GZIP, TEXT, strlen(TEXT));
	/* The checksum and the length at the end. */
	for (size_t i = b.n - 8; i < b.n; i++) {
		b.p[i] ^= 1;
		assert_int_equal(unpack("gzip", buf_view(&b), 0, &out), ERR_SYNTAX);
		buf_free(&out);
		b.p[i] ^= 1;
	}
	assert_int_equal(unpack("br", SPAN_LIT("not brotli at all"), 0, &out), ERR_SYNTAX);
	buf_free(&out);
	assert_int_equal(unpack("gzip", SPAN_LIT("not gzip"), 0, &out), ERR_SYNTAX);
	buf_free(&out);
	assert_int_equal(unpack("deflate", SPAN_LIT("\x78\xbb\x01\x02\x03\x04"), 0, &out),
		ERR_SYNTAX); /* preset dictionary */
	buf_free(&out);
	buf_free(&b);
}

static void
excessive_decompression_is_stopped_early(void **state)
{
	static char spaces[20 << 20];
	struct buf b, out;

	(void)state;
	memset(spaces, ' ', sizeof(spaces));
	buf_init(&b, 0);
	for (int bits = 0; bits < 3; bits++) {
		buf_clear(&b);
		pack(&b, (int[]){ RAW, ZLIB, GZIP }[bits], spaces, sizeof(spaces));
		assert_int_equal(unpack(bits == 2 ? "gzip" : "deflate", buf_view(&b),
					 CAP_BODY_BYTES, &out),
			ERR_LIMIT);
		assert_true(out.n <= CAP_INFLATE_FREE_BYTES &&
			    out.size <= 4 * CAP_INFLATE_FREE_BYTES);
		buf_free(&out);
	}
	assert_int_equal(unpack("br", span_of(BROTLI_BOMB, sizeof(BROTLI_BOMB) - 1),
				 CAP_BODY_BYTES, &out),
		ERR_LIMIT);
	assert_true(out.n <= CAP_INFLATE_FREE_BYTES);
	buf_free(&out);
	buf_clear(&b);
	char *to = buf_reserve(&b, ZSTD_compressBound(sizeof(spaces)));
	assert_non_null(to);
	buf_commit(&b, ZSTD_compress(to, ZSTD_compressBound(sizeof(spaces)), spaces,
				 sizeof(spaces), 3));
	assert_int_equal(unpack("zstd", buf_view(&b), CAP_BODY_BYTES, &out), ERR_LIMIT);
	assert_true(out.n <= CAP_INFLATE_FREE_BYTES);
	buf_free(&out);
	/* Repetitive text of a small size is not refused. */
	buf_clear(&b);
	pack(&b, GZIP, spaces, CAP_INFLATE_FREE_BYTES);
	assert_int_equal(unpack("gzip", buf_view(&b), CAP_BODY_BYTES, &out), 0);
	assert_int_equal(out.n, CAP_INFLATE_FREE_BYTES);
	buf_free(&out);
	buf_clear(&b);
	pack(&b, GZIP, spaces, CAP_INFLATE_FREE_BYTES + 1);
	assert_int_equal(unpack("gzip", buf_view(&b), CAP_BODY_BYTES, &out), ERR_LIMIT);
	buf_free(&out);
	/* The caller sets the ratio. */
	buf_init(&out, CAP_BODY_BYTES);
	assert_int_equal(inflate_all(SPAN_LIT("gzip"), buf_view(&b), 10000, &out), 0);
	assert_int_equal(out.n, CAP_INFLATE_FREE_BYTES + 1);
	buf_free(&out);
	buf_free(&b);
}

/* Decodes `in` in pieces of `step` bytes. Returns 0 or an error, and ERR_TRUNCATED if the body may
 * not end there. */
static int
unpack_pieces(const char *coding, struct span in, size_t step, uint64_t ratio, struct buf *out)
{
	struct inflate *f;
	int err = inflate_open(span_str(coding), ratio, &f);

	buf_init(out, 0);
	for (size_t at = 0; !err && at < in.n; at += step) {
		struct span cut = span_cut(in, at, at + step < in.n ? at + step : in.n);
		char *p = guard_dup(cut.p, cut.n);
		struct span piece = span_of(p, cut.n);
		do
			err = inflate_some(f, &piece, out);
		while (err == 1);
		if (!err)
			assert_int_equal(piece.n, 0);
		guard_free(p, cut.n);
	}
	if (!err && !inflate_whole(f))
		err = ERR_TRUNCATED;
	if (f)
		assert_true(inflate_held(f) > 0);
	inflate_close(&f);
	return err;
}

static void
body_is_decompressed_in_pieces(void **state)
{
	static const size_t steps[] = { 1, 2, 3, 7, 1000 };
	char zstd[512];
	struct buf packed[3], out, long_text, long_packed;
	static const int bits[] = { GZIP, ZLIB, RAW };
	struct {
		const char *coding;
		struct span in;
	} rows[5] = { { "gzip", { NULL, 0 } }, { "deflate", { NULL, 0 } },
		{ "deflate", { NULL, 0 } },
		{ "br", { BROTLI, sizeof(BROTLI) - 1 } } };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		buf_init(&packed[i], 0);
		pack(&packed[i], bits[i], TEXT, strlen(TEXT));
		rows[i].in = buf_view(&packed[i]);
	}
	size_t n = ZSTD_compress(zstd, sizeof(zstd), TEXT, strlen(TEXT), 3);
	rows[4].coding = "zstd";
	rows[4].in = span_of(zstd, n);
	for (size_t i = 0; i < 5; i++) {
		for (size_t k = 0; k < sizeof(steps) / sizeof(steps[0]); k++) {
			assert_int_equal(
				unpack_pieces(rows[i].coding, rows[i].in, steps[k], 100, &out),
				0);
			assert_true(span_is(buf_view(&out), TEXT));
			buf_free(&out);
		}
		for (size_t cut = 1; cut < rows[i].in.n; cut++) {
			int err = unpack_pieces(
				rows[i].coding, span_cut(rows[i].in, 0, cut), 5, 100, &out);
			if (err != ERR_TRUNCATED)
				fail_msg("%s cut at %zu: %d", rows[i].coding, cut, err);
			buf_free(&out);
		}
		char tail[512];
		memcpy(tail, rows[i].in.p, rows[i].in.n);
		memcpy(tail + rows[i].in.n, "xxxxxxxxxx", 10);
		int err = unpack_pieces(
			rows[i].coding, span_of(tail, rows[i].in.n + 10), 5, 100, &out);
		if (err != ERR_SYNTAX)
			fail_msg("%s with a tail: %d", rows[i].coding, err);
		buf_free(&out);
	}
	/* more than one step of output; and too much of it */
	buf_init(&long_text, 0);
	buf_init(&long_packed, 0);
	for (size_t i = 0; i < 400000; i++)
		buf_printf(&long_text, "%zu,", i * 7919 % 100003);
	pack(&long_packed, GZIP, long_text.p, long_text.n);
	assert_int_equal(
		unpack_pieces("gzip", buf_view(&long_packed), 70000, 100, &out), 0);
	assert_true(span_eq(buf_view(&out), buf_view(&long_text)));
	buf_free(&out);
	struct span bomb = span_of(BROTLI_BOMB, sizeof(BROTLI_BOMB) - 1);
	assert_int_equal(unpack_pieces("br", bomb, 9, 100, &out), ERR_LIMIT);
	assert_true(out.n <= CAP_INFLATE_FREE_BYTES + 65536);
	buf_free(&out);
	assert_int_equal(unpack_pieces("gzip, br", bomb, 9, 100, &out), ERR_UNSUPPORTED);
	buf_free(&out);
	buf_free(&long_text);
	buf_free(&long_packed);
	for (size_t i = 0; i < 3; i++)
		buf_free(&packed[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_coding_is_decompressed),
		cmocka_unit_test(zstd_is_decompressed),
		cmocka_unit_test(body_is_decompressed_in_pieces),
		cmocka_unit_test(unknown_and_stacked_codings_are_refused),
		cmocka_unit_test(gzip_may_have_several_members),
		cmocka_unit_test(damaged_data_is_refused),
		cmocka_unit_test(excessive_decompression_is_stopped_early),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
