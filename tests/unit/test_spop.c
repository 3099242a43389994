/* The SPOP codec against literal bytes: varints, typed data, HELLO, NOTIFY, DISCONNECT, ACK.
 * All input is also cut at every offset, before an inaccessible page. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/codec/spop.h"
#include "support/guard.h"

#define BYTES(lit) SPAN_LIT(lit)
#define COUNT(a)   (sizeof(a) / sizeof((a)[0]))

/* Computed from the table in SPOE.txt 3.1 by another program. */
static const struct {
	uint64_t value;
	struct span bytes;
} varints[] = {
	{ 0, BYTES("\x00") },
	{ 1, BYTES("\x01") },
	{ 239, BYTES("\xef") },
	{ 240, BYTES("\xf0\x00") },
	{ 241, BYTES("\xf1\x00") },
	{ 255, BYTES("\xff\x00") },
	{ 256, BYTES("\xf0\x01") },
	{ 2287, BYTES("\xff\x7f") },
	{ 2288, BYTES("\xf0\x80\x00") },
	{ 264431, BYTES("\xff\xff\x7f") },
	{ 264432, BYTES("\xf0\x80\x80\x00") },
	{ 33818863, BYTES("\xff\xff\xff\x7f") },
	{ 33818864, BYTES("\xf0\x80\x80\x80\x00") },
	{ 4328786159, BYTES("\xff\xff\xff\xff\x7f") },
	{ 4328786160, BYTES("\xf0\x80\x80\x80\x80\x00") },
	{ 2147483648, BYTES("\xf0\xf1\xfe\xfe\x3e") },
	{ 4294967295, BYTES("\xff\xf0\xfe\xfe\x7e") },
	{ INT64_MAX, BYTES("\xff\xf0\xfe\xfe\xfe\xfe\xfe\xfe\xfe\x06") },
	{ (uint64_t)INT64_MAX + 1, BYTES("\xf0\xf1\xfe\xfe\xfe\xfe\xfe\xfe\xfe\x06") },
	{ UINT64_MAX - 4, BYTES("\xfb\xf0\xfe\xfe\xfe\xfe\xfe\xfe\xfe\x0e") },
	{ UINT64_MAX, BYTES("\xff\xf0\xfe\xfe\xfe\xfe\xfe\xfe\xfe\x0e") },
};

static void
varints_of_each_length_are_written_and_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(varints); i++) {
		struct buf b;
		buf_init(&b, 0);
		spop_put_varint(&b, varints[i].value);
		assert_true(span_eq(buf_view(&b), varints[i].bytes));
		buf_free(&b);

		char *p = guard_dup(varints[i].bytes.p, varints[i].bytes.n);
		struct spop_rd r = spop_rd_over(span_of(p, varints[i].bytes.n));
		assert_int_equal(spop_rd_varint(&r), varints[i].value);
		assert_int_equal(r.err, SPOP_OK);
		assert_ptr_equal(r.p, r.end);
		guard_free(p, varints[i].bytes.n);
	}
}

static void
cut_varint_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(varints); i++) {
		for (size_t n = 0; n < varints[i].bytes.n; n++) {
			char *p = guard_dup(varints[i].bytes.p, n);
			struct spop_rd r = spop_rd_over(span_of(p, n));
			assert_int_equal(spop_rd_varint(&r), 0);
			assert_int_equal(r.err, SPOP_E_INVALID);
			guard_free(p, n);
		}
	}
}

static void
varints_near_length_changes_are_read_back(void **state)
{
	(void)state;
	for (unsigned shift = 0; shift < 64; shift++) {
		for (uint64_t d = 0; d < 600; d++) {
			uint64_t v = ((uint64_t)1 << shift) + d - 300, got;
			struct buf b;
			buf_init(&b, 0);
			spop_put_varint(&b, v);
			struct spop_rd r = spop_rd_over(buf_view(&b));
			got = spop_rd_varint(&r);
			assert_int_equal(r.err, SPOP_OK);
			assert_true(got == v && r.p == r.end);
			buf_free(&b);
		}
	}
}

static const struct {
	const char *name;
	struct span bytes;
} bad_values[] = {
	{ "nothing at all", BYTES("") },
	{ "a varint of eleven bytes",
		BYTES("\x05\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00") },
	{ "a varint whose tenth byte goes on",
		BYTES("\x05\xf0\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00") },
	{ "a varint one over 64 bits", BYTES("\x05\xf0\xf1\xfe\xfe\xfe\xfe\xfe\xfe\xfe\x0e") },
	{ "a varint whose tenth byte is too large",
		BYTES("\x05\xf0\x80\x80\x80\x80\x80\x80\x80\x80\x10") },
	{ "a sum that wraps round", BYTES("\x05\xff\xff\xff\xff\xff\xff\xff\xff\xff\x0f") },
	{ "a string longer than the frame", BYTES("\x08\x05"
						  "abcd") },
	{ "a string of 2^64-1 bytes", BYTES("\x08\xff\xf0\xfe\xfe\xfe\xfe\xfe\xfe\xfe\x0e"
					    "ab") },
	{ "a binary without its length", BYTES("\x09") },
	{ "three bytes of IPv4", BYTES("\x06\x7f\x00\x00") },
	{ "fifteen bytes of IPv6", BYTES("\x07"
					 "123456789012345") },
	{ "a uint32 of 2^32", BYTES("\x03\xf0\xf1\xfe\xfe\x7e") },
	{ "an int32 of 2^32", BYTES("\x02\xf0\xf1\xfe\xfe\x7e") },
	{ "an int32 below its range", BYTES("\x02\xff\xf0\xfe\xfe\xbe\xfe\xfe\xfe\xfe\x0e") },
	{ "type 10", BYTES("\x0a") },
	{ "type 11", BYTES("\x0b\x00") },
	{ "type 15 with flags", BYTES("\xff\x00\x00\x00\x00") },
};

static void
invalid_typed_value_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(bad_values); i++) {
		char *p = guard_dup(bad_values[i].bytes.p, bad_values[i].bytes.n);
		struct spop_rd r = spop_rd_over(span_of(p, bad_values[i].bytes.n));
		struct spop_value v = spop_rd_value(&r);
		if (r.err != SPOP_E_INVALID || v.type != SPOP_NULL)
			fail_msg("%s: read", bad_values[i].name);
		/* and the cursor stays where it failed */
		assert_int_equal(spop_rd_byte(&r), 0);
		assert_int_equal(spop_rd_string(&r).n, 0);
		guard_free(p, bad_values[i].bytes.n);
	}
}

#define V_INT(t, num)                                                                          \
	{                                                                                      \
		.type = (t), .i = (num)                                                        \
	}
#define V_UINT(t, num)                                                                         \
	{                                                                                      \
		.type = (t), .u = (num)                                                        \
	}
#define V_S(t, lit)                                                                            \
	{                                                                                      \
		.type = (t), .s = { "" lit, sizeof(lit) - 1 }                                  \
	}

static const struct {
	const char *name;
	struct span bytes;
	struct spop_value want;
	bool canonical; /* the encoding is canonical: writing gives the same bytes */
} values[] = {
	{ "null", BYTES("\x00"), { .type = SPOP_NULL }, true },
	{ "null whose reserved flags are set", BYTES("\xf0"), { .type = SPOP_NULL }, false },
	{ "false", BYTES("\x01"), { .type = SPOP_BOOL }, true },
	{ "true", BYTES("\x11"), { .type = SPOP_BOOL, .b = true }, true },
	{ "false whose reserved flags are set", BYTES("\xe1"), { .type = SPOP_BOOL }, false },
	{ "int32", BYTES("\x02\x2a"), V_INT(SPOP_INT32, 42), true },
	{ "negative int32, sign-extended",
		BYTES("\x02\xfb\xf0\xfe\xfe\xfe\xfe\xfe\xfe\xfe\x0e"), V_INT(SPOP_INT32, -5),
		true },
	{ "negative int32 in 32 bits", BYTES("\x02\xff\xf0\xfe\xfe\x7e"), V_INT(SPOP_INT32, -1),
		false },
	{ "uint32", BYTES("\x03\xff\xf0\xfe\xfe\x7e"), V_UINT(SPOP_UINT32, UINT32_MAX), true },
	{ "int64", BYTES("\x04\xff\xf0\xfe\xfe\xfe\xfe\xfe\xfe\xfe\x06"),
		V_INT(SPOP_INT64, INT64_MAX), true },
	{ "the smallest int64", BYTES("\x04\xf0\xf1\xfe\xfe\xfe\xfe\xfe\xfe\xfe\x06"),
		V_INT(SPOP_INT64, INT64_MIN), true },
	{ "uint64", BYTES("\x05\xff\xf0\xfe\xfe\xfe\xfe\xfe\xfe\xfe\x0e"),
		V_UINT(SPOP_UINT64, UINT64_MAX), true },
	{ "ipv4", BYTES("\x06\x7f\x00\x00\x01"), V_S(SPOP_IPV4, "\x7f\x00\x00\x01"), true },
	{ "ipv6",
		BYTES("\x07"
		      "0123456789abcdef"),
		V_S(SPOP_IPV6, "0123456789abcdef"), true },
	{ "an empty string", BYTES("\x08\x00"), V_S(SPOP_STRING, ""), true },
	{ "a string with NUL",
		BYTES("\x08\x04"
		      "a\x00"
		      "b\x00"),
		V_S(SPOP_STRING, "a\x00"
				 "b\x00"),
		true },
	{ "binary", BYTES("\x09\x02\xff\x00"), V_S(SPOP_BINARY, "\xff\x00"), true },
};

static bool
same(const struct spop_value *a, const struct spop_value *b)
{
	return a->type == b->type && a->b == b->b && a->i == b->i && a->u == b->u &&
	       span_eq(a->s, b->s);
}

static void
each_type_is_read_and_written(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(values); i++) {
		struct span in = values[i].bytes;
		char *p = guard_dup(in.p, in.n);
		struct spop_rd r = spop_rd_over(span_of(p, in.n));
		struct spop_value v = spop_rd_value(&r);
		if (r.err || r.p != r.end || !same(&v, &values[i].want))
			fail_msg("%s: not read", values[i].name);
		for (size_t n = 0; n < in.n; n++) {
			char *cut = guard_dup(in.p, n);
			r = spop_rd_over(span_of(cut, n));
			v = spop_rd_value(&r);
			if (r.err != SPOP_E_INVALID)
				fail_msg("%s: cut at %zu was read", values[i].name, n);
			guard_free(cut, n);
		}
		struct buf b;
		buf_init(&b, 0);
		spop_put_value(&b, &values[i].want);
		if (values[i].canonical && !span_eq(buf_view(&b), in))
			fail_msg("%s: not written", values[i].name);
		buf_free(&b);
		guard_free(p, in.n);
	}
}

static void
integer_of_any_width_is_read(void **state)
{
	int64_t i = 0;

	(void)state;
	assert_true(spop_value_int(&(struct spop_value)V_INT(SPOP_INT32, -7), &i) && i == -7);
	assert_true(spop_value_int(&(struct spop_value)V_INT(SPOP_INT64, 9), &i) && i == 9);
	assert_true(spop_value_int(&(struct spop_value)V_UINT(SPOP_UINT32, 3), &i) && i == 3);
	assert_true(spop_value_int(&(struct spop_value)V_UINT(SPOP_UINT64, INT64_MAX), &i) &&
		    i == INT64_MAX);
	assert_false(spop_value_int(
		&(struct spop_value)V_UINT(SPOP_UINT64, (uint64_t)INT64_MAX + 1), &i));
	assert_false(spop_value_int(&(struct spop_value)V_S(SPOP_STRING, "1"), &i));
	assert_false(spop_value_int(&(struct spop_value){ .type = SPOP_NULL }, &i));
}

/* As HAProxy 2.6.12 sent them. */
static const char real_hello[] = "\x01\x00\x00\x00\x01\x00\x00\x12supported-versions\x08\x03"
				 "2.0\x0emax-frame-size\x03\xfc"
				 "\xf0\x7e\x0c"
				 "capabilities\x08\x10pipelining,async\x09"
				 "engine-id\x08$"
				 "f712d961-0591-48be-874f-ee33102d2d6d";
static const char real_check[] = "\x01\x00\x00\x00\x01\x00\x00\x12supported-versions\x08\x03"
				 "2.0\x0emax-frame-size\x03\xfc"
				 "\xf0\x7e\x0c"
				 "capabilities\x08\x00\x0bhealthcheck\x11";

static void
hello_of_haproxy_2_6_is_read(void **state)
{
	struct spop_frame f;
	struct spop_hello h;

	(void)state;
	assert_int_equal(
		spop_frame_read(span_of(real_hello, sizeof(real_hello) - 1), &f), SPOP_OK);
	assert_int_equal(f.type, SPOP_HAPROXY_HELLO);
	assert_int_equal(f.flags, SPOP_FIN);
	assert_true(f.stream == 0 && f.frame == 0);
	assert_int_equal(spop_hello_read(f.payload, &h), SPOP_OK);
	assert_int_equal(h.max_frame, 262140);
	assert_true(h.pipelining);
	assert_false(h.healthcheck);
	assert_true(span_is(h.engine_id, "f712d961-0591-48be-874f-ee33102d2d6d"));

	assert_int_equal(
		spop_frame_read(span_of(real_check, sizeof(real_check) - 1), &f), SPOP_OK);
	assert_int_equal(spop_hello_read(f.payload, &h), SPOP_OK);
	assert_true(h.healthcheck);
	assert_false(h.pipelining);
	assert_int_equal(h.engine_id.n, 0);
	/* every shorter payload ends inside an item or lacks a mandatory one */
	for (size_t n = 0; n < f.payload.n - 13; n++) {
		char *p = guard_dup(f.payload.p, n);
		assert_int_not_equal(spop_hello_read(span_of(p, n), &h), SPOP_OK);
		guard_free(p, n);
	}
}

static const struct {
	const char *name;
	const char *versions; /* NULL: absent */
	int64_t size;	      /* -1: absent */
	const char *caps;     /* NULL: absent */
	struct span more;     /* further items */
	enum spop_status want;
} hellos[] = {
	{ "the usual", "2.0", 65532, "pipelining", BYTES(""), SPOP_OK },
	{ "spaces are ignored", " 1.0 ,\t2.0 ", 65532, " async , pipelining", BYTES(""),
		SPOP_OK },
	{ "a later minor includes 2.0", "2.5", 65532, "", BYTES(""), SPOP_OK },
	{ "2.x beside a later major", "3.1,2.0", 65532, "", BYTES(""), SPOP_OK },
	{ "the smallest frame", "2.0", 256, "", BYTES(""), SPOP_OK },
	{ "the largest number", "2.0", UINT32_MAX, "", BYTES(""), SPOP_OK },
	{ "an unknown key is skipped", "2.0", 256, "", BYTES("\x01x\x08\x01y"), SPOP_OK },
	{ "not a health check", "2.0", 256, "", BYTES("\x0bhealthcheck\x01"), SPOP_OK },
	{ "no versions", NULL, 65532, "", BYTES(""), SPOP_E_NO_VERSION },
	{ "no frame size", "2.0", -1, "", BYTES(""), SPOP_E_NO_FRAME_SIZE },
	{ "no capabilities", "2.0", 65532, NULL, BYTES(""), SPOP_E_NO_CAPS },
	{ "nothing", NULL, -1, NULL, BYTES(""), SPOP_E_NO_VERSION },
	{ "only 1.0", "1.0", 65532, "", BYTES(""), SPOP_E_VERSION },
	{ "only 3.0", "3.0", 65532, "", BYTES(""), SPOP_E_VERSION },
	{ "only 20.0", "20.0", 65532, "", BYTES(""), SPOP_E_VERSION },
	{ "no versions in the list", "", 65532, "", BYTES(""), SPOP_E_VERSION },
	{ "a version without minor", "2", 65532, "", BYTES(""), SPOP_E_VERSION },
	{ "a version with an empty minor", "2.", 65532, "", BYTES(""), SPOP_E_VERSION },
	{ "a version of three parts", "2.0.1", 65532, "", BYTES(""), SPOP_E_VERSION },
	{ "a version with letters", "2.x", 65532, "", BYTES(""), SPOP_E_VERSION },
	{ "frames under 256", "2.0", 255, "", BYTES(""), SPOP_E_FRAME_SIZE },
	{ "frames of nothing", "2.0", 0, "", BYTES(""), SPOP_E_FRAME_SIZE },
	{ "a size given twice", "2.0", 256, "", BYTES("\x0emax-frame-size\x03\xf0\x01"),
		SPOP_E_INVALID },
	{ "a health check that is no boolean", "2.0", 256, "",
		BYTES("\x0bhealthcheck\x08\x04true"), SPOP_E_INVALID },
	{ "an engine-id that is no string", "2.0", 256, "",
		BYTES("\x09"
		      "engine-id\x03\x01"),
		SPOP_E_INVALID },
	{ "a key cut off", "2.0", 256, "", BYTES("\x0bhealth"), SPOP_E_INVALID },
	{ "a key without value", "2.0", 256, "", BYTES("\x0bhealthcheck"), SPOP_E_INVALID },
	{ "an unknown type of value", "2.0", 256, "", BYTES("\x01x\x0c"), SPOP_E_INVALID },
};

static void
hello_is_accepted_or_refused_with_a_code(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(hellos); i++) {
		struct buf b;
		struct spop_hello h;
		struct spop_value v = { .type = SPOP_STRING };
		buf_init(&b, 0);
		if (hellos[i].versions) {
			v.s = span_str(hellos[i].versions);
			spop_put_string(&b, span_str("supported-versions"));
			spop_put_value(&b, &v);
		}
		if (hellos[i].size >= 0) {
			struct spop_value size = V_UINT(SPOP_UINT32, (uint64_t)hellos[i].size);
			spop_put_string(&b, span_str("max-frame-size"));
			spop_put_value(&b, &size);
		}
		if (hellos[i].caps) {
			v.s = span_str(hellos[i].caps);
			spop_put_string(&b, span_str("capabilities"));
			spop_put_value(&b, &v);
		}
		buf_span(&b, hellos[i].more);
		char *p = guard_dup(buf_view(&b).p, b.n);
		unsigned got = spop_hello_read(span_of(p, b.n), &h);
		if (got != hellos[i].want)
			fail_msg("%s: status %u, not %u", hellos[i].name, got, hellos[i].want);
		if (!got && h.max_frame != hellos[i].size)
			fail_msg("%s: frame size %u", hellos[i].name, h.max_frame);
		guard_free(p, b.n);
		buf_free(&b);
	}
}

static void
hello_with_wrong_types_is_invalid(void **state)
{
	struct spop_hello h;

	(void)state;
	assert_int_equal(
		spop_hello_read(
			BYTES("\x12supported-versions\x03\x02\x0emax-frame-size\x03\xf0\x01\x0c"
			      "capabilities\x08\x00"),
			&h),
		SPOP_E_INVALID);
	assert_int_equal(spop_hello_read(BYTES("\x12supported-versions\x08\x03"
					       "2.0\x0emax-frame-size\x08\x03"
					       "256\x0c"
					       "capabilities\x08\x00"),
				 &h),
		SPOP_E_INVALID);
	assert_int_equal(spop_hello_read(BYTES("\x12supported-versions\x08\x03"
					       "2.0\x0emax-frame-size\x04\xf0\x01\x0c"
					       "capabilities\x00"),
				 &h),
		SPOP_E_INVALID);
	/* the size may have any integer type; a negative size is invalid */
	assert_int_equal(spop_hello_read(BYTES("\x12supported-versions\x08\x03"
					       "2.0\x0emax-frame-size\x04\xf0\x01\x0c"
					       "capabilities\x08\x00"),
				 &h),
		SPOP_OK);
	assert_int_equal(
		spop_hello_read(BYTES("\x12supported-versions\x08\x03"
				      "2.0\x0emax-frame-size\x02\xff\xf0\xfe\xfe\x7e\x0c"
				      "capabilities\x08\x00"),
			&h),
		SPOP_E_FRAME_SIZE);
}

static const struct {
	const char *name;
	struct span bytes;
	enum spop_status want;
	uint32_t status;
} disconnects[] = {
	{ "normal", BYTES("\x0bstatus-code\x03\x00\x07message\x08\x06normal"), SPOP_OK, 0 },
	{ "frame too big, the other way round",
		BYTES("\x07message\x08\x01x\x0bstatus-code\x03\x03"), SPOP_OK, 3 },
	{ "no message", BYTES("\x0bstatus-code\x03\x00"), SPOP_E_INVALID, 0 },
	{ "no status", BYTES("\x07message\x08\x00"), SPOP_E_INVALID, 0 },
	{ "two statuses",
		BYTES("\x0bstatus-code\x03\x00\x0bstatus-code\x03\x00\x07message\x08\x00"),
		SPOP_E_INVALID, 0 },
	{ "a status that is a string", BYTES("\x0bstatus-code\x08\x00\x07message\x08\x00"),
		SPOP_E_INVALID, 0 },
	{ "a message that is a number", BYTES("\x0bstatus-code\x03\x00\x07message\x03\x00"),
		SPOP_E_INVALID, 0 },
	{ "cut", BYTES("\x0bstatus-code\x03\x00\x07message\x08\x06norma"), SPOP_E_INVALID, 0 },
};

static void
disconnect_frame_is_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(disconnects); i++) {
		struct spop_disconnect d;
		char *p = guard_dup(disconnects[i].bytes.p, disconnects[i].bytes.n);
		unsigned got = spop_disconnect_read(span_of(p, disconnects[i].bytes.n), &d);
		if (got != disconnects[i].want || (!got && d.status != disconnects[i].status))
			fail_msg("%s: %u", disconnects[i].name, got);
		guard_free(p, disconnects[i].bytes.n);
	}
}

static void
frame_needs_a_whole_header(void **state)
{
	static const char frame[] = "\x03\x00\x00\x00\x03\xf0\x80\x00\xf0\x01"
				    "payload";
	struct spop_frame f;

	(void)state;
	for (size_t n = 0; n < sizeof(frame); n++) {
		char *p = guard_dup(frame, n);
		assert_int_equal(
			spop_frame_read(span_of(p, n), &f), n < 10 ? SPOP_E_INVALID : SPOP_OK);
		if (n >= 10) {
			assert_int_equal(f.type, SPOP_NOTIFY);
			assert_int_equal(f.flags, SPOP_FIN | SPOP_ABORT);
			assert_int_equal(f.stream, 2288);
			assert_int_equal(f.frame, 256);
			assert_ptr_equal(f.payload.p, p + 10);
			assert_int_equal(f.payload.n, n - 10);
		}
		guard_free(p, n);
	}
	assert_int_equal(spop_frame_read(BYTES("\xfe\xff\xff\xff\xff\x00\x00"), &f), SPOP_OK);
	assert_int_equal(f.type, 254);
	assert_int_equal(f.flags, UINT32_MAX);
}

static void
several_messages_are_read_and_cut_ones_refused(void **state)
{
	/* messages with three arguments, one of them without a name; with none; with one */
	static const char three[] = "\x03"
				    "one\x03\x01"
				    "a\x08\x03"
				    "x\x00y\x00\x11\x02ip\x06\x7f\x00\x00\x01"
				    "\x04"
				    "none\x00"
				    "\x00\x01\x01"
				    "b\x00";
	static const size_t whole[] = { 0, 22, 28, sizeof(three) - 1 };
	struct spop_message m[3];
	struct spop_arg a[4];

	(void)state;
	for (size_t n = 0; n < sizeof(three); n++) {
		char *p = guard_dup(three, n);
		size_t nm = 3, na = 4, want = 0;
		enum spop_status err = spop_messages_read(span_of(p, n), m, &nm, a, &na);
		while (want < 4 && whole[want] != n)
			want++;
		if (want == 4) {
			assert_int_equal(err, SPOP_E_INVALID);
		} else {
			assert_int_equal(err, SPOP_OK);
			assert_int_equal(nm, want);
		}
		if (n == sizeof(three) - 1) {
			assert_int_equal(na, 4);
			assert_true(span_is(m[0].name, "one") && m[0].nargs == 3);
			assert_true(span_eq(spop_arg(&m[0], "a")->s, BYTES("x\x00y")));
			assert_true(spop_arg(&m[0], "")->b);
			assert_int_equal(spop_arg(&m[0], "ip")->type, SPOP_IPV4);
			assert_null(spop_arg(&m[0], "b"));
			assert_true(span_is(m[1].name, "none") && m[1].nargs == 0);
			assert_null(spop_arg(&m[1], "a"));
			assert_true(m[2].name.n == 0 && m[2].nargs == 1);
			assert_int_equal(spop_arg(&m[2], "b")->type, SPOP_NULL);
		}
		guard_free(p, n);
	}
}

static void
too_many_messages_or_arguments_are_a_resource_error(void **state)
{
	struct spop_message m[2];
	struct spop_arg a[255];
	size_t nm = 1, na = 2;
	struct buf b;

	(void)state;
	assert_int_equal(spop_messages_read(BYTES("\x01x\x02\x01"
						  "a\x00\x01"
						  "b\x00"),
				 m, &nm, a, &na),
		SPOP_OK);
	nm = 1, na = 1;
	assert_int_equal(spop_messages_read(BYTES("\x01x\x02\x01"
						  "a\x00\x01"
						  "b\x00"),
				 m, &nm, a, &na),
		SPOP_E_RESOURCE);
	nm = 1, na = 2;
	assert_int_equal(spop_messages_read(BYTES("\x01x\x00\x01y\x00"), m, &nm, a, &na),
		SPOP_E_RESOURCE);
	/* 255 arguments, the maximum of the format, under a name of 300 bytes */
	char name[300];
	memset(name, 'n', sizeof(name));
	buf_init(&b, 0);
	spop_put_string(&b, span_of(name, sizeof(name)));
	buf_putc(&b, (char)255);
	for (int i = 0; i < 255; i++)
		buf_put(&b, "\x00\x04\x07", 3);
	nm = 2, na = 255;
	assert_int_equal(spop_messages_read(buf_view(&b), m, &nm, a, &na), SPOP_OK);
	assert_true(nm == 1 && na == 255 && m[0].name.n == 300 && m[0].args[254].value.i == 7);
	buf_free(&b);
}

static void
agent_frames_have_these_bytes(void **state)
{
	struct spop_action actions[] = {
		{ SPOP_SCOPE_TXN, "decision", V_S(SPOP_STRING, "permit") },
		{ SPOP_SCOPE_PROC, "n", V_INT(SPOP_INT64, -5) },
		{ SPOP_SCOPE_RES, "", { .type = SPOP_BOOL, .b = true } },
	};
	struct buf b;

	(void)state;
	buf_init(&b, 0);
	spop_put_agent_hello(&b, 65532);
	assert_true(span_eq(buf_view(&b),
		BYTES("\x00\x00\x00\x40\x65\x00\x00\x00\x01\x00\x00\x07version\x08\x03"
		      "2.0\x0emax-frame-size\x03\xfc\xf0\x1e"
		      "\x0c"
		      "capabilities\x08\x0apipelining")));
	buf_clear(&b);
	spop_put_agent_disconnect(&b, SPOP_E_TOO_BIG);
	assert_true(span_eq(buf_view(&b), BYTES("\x00\x00\x00\x2f\x66\x00\x00\x00\x01\x00\x00"
						"\x0bstatus-code\x03\x03\x07message\x08\x10"
						"frame is too big")));
	buf_clear(&b);
	spop_put_ack(&b, 2288, 1, actions, 3);
	assert_true(span_eq(buf_view(&b),
		BYTES("\x00\x00\x00\x32\x67\x00\x00\x00\x01\xf0\x80\x00\x01"
		      "\x01\x03\x02\x08"
		      "decision\x08\x06permit"
		      "\x01\x03\x00\x01n\x04\xfb\xf0\xfe\xfe\xfe\xfe\xfe\xfe\xfe\x0e"
		      "\x01\x03\x04\x00\x11")));
	assert_int_equal(
		b.n, 4 + spop_ack_head_bytes(2288, 1) + spop_actions_bytes(actions, 3));
	buf_free(&b);
}

static void
size_of_actions_equals_the_written_bytes(void **state)
{
	char text[3000] = { 0 };

	(void)state;
	for (size_t n = 0; n < sizeof(text); n = n * 3 / 2 + 1) {
		for (size_t i = 0; i < COUNT(values); i++) {
			struct spop_action two[] = { { SPOP_SCOPE_TXN, "name", values[i].want },
				{ SPOP_SCOPE_REQ, "text",
					{ .type = SPOP_BINARY, .s = { text, n } } } };
			struct buf b;
			buf_init(&b, 0);
			spop_put_ack(&b, n * n * n, n, two, 2);
			assert_int_equal(b.n, 4 + spop_ack_head_bytes(n * n * n, n) +
						      spop_actions_bytes(two, 2));
			buf_free(&b);
		}
	}
}

static void
each_status_has_its_text(void **state)
{
	(void)state;
	assert_string_equal(spop_status_str(0), "normal");
	assert_string_equal(spop_status_str(10), "payload fragmentation is not supported");
	assert_string_equal(spop_status_str(99), "an unknown error occurred");
	assert_string_equal(spop_status_str(98), "unassigned status");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(varints_of_each_length_are_written_and_read),
		cmocka_unit_test(cut_varint_is_refused),
		cmocka_unit_test(varints_near_length_changes_are_read_back),
		cmocka_unit_test(invalid_typed_value_is_refused),
		cmocka_unit_test(each_type_is_read_and_written),
		cmocka_unit_test(integer_of_any_width_is_read),
		cmocka_unit_test(hello_of_haproxy_2_6_is_read),
		cmocka_unit_test(hello_is_accepted_or_refused_with_a_code),
		cmocka_unit_test(hello_with_wrong_types_is_invalid),
		cmocka_unit_test(disconnect_frame_is_read),
		cmocka_unit_test(frame_needs_a_whole_header),
		cmocka_unit_test(several_messages_are_read_and_cut_ones_refused),
		cmocka_unit_test(too_many_messages_or_arguments_are_a_resource_error),
		cmocka_unit_test(agent_frames_have_these_bytes),
		cmocka_unit_test(size_of_actions_equals_the_written_bytes),
		cmocka_unit_test(each_status_has_its_text),
	};

	return cmocka_run_group_tests_name("spop", tests, NULL, NULL);
}
