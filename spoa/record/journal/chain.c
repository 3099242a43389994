/* Writes and reads the lines of a chain: see chain.h for the format. The daemon, `audit
 * verify` and the fuzzer share this parser. JSON is RFC 8259, SHA-256 is FIPS 180-4, base64
 * is RFC 4648 section 4. */
#include "record/journal/chain.h"

#include <inttypes.h>
#include <sodium.h>

#include "base/ascii.h"
#include "base/caps.h"
#include "base/clock.h"
#include "base/codec/base64.h"
#include "base/utf8.h"
#include "base/err.h"
#include "base/sha256.h"
#include "record/journal/line.h"

void
chain_hex(const unsigned char hash[CHAIN_HASH_BYTES], char out[2 * CHAIN_HASH_BYTES + 1])
{
	sodium_bin2hex(out, 2 * CHAIN_HASH_BYTES + 1, hash, CHAIN_HASH_BYTES);
}

/* ---- reading ---- */

/* A cursor that remembers its first error: after an error, `bad` is set and further reads
 * have no effect. */
struct rd {
	const char *p, *end;
	bool bad;
};

/* Moves past the given text, which must come next. */
static void
lit(struct rd *r, const char *text)
{
	size_t n = strlen(text);

	if (r->bad || (size_t)(r->end - r->p) < n || memcmp(r->p, text, n) != 0)
		r->bad = true;
	else
		r->p += n;
}

/* number = "0" / digit1-9 *DIGIT, below 2^63 */
static uint64_t
chain_number(struct rd *r)
{
	uint64_t v = 0;
	const char *from = r->p;

	while (!r->bad && r->p < r->end && is_digit(*r->p)) {
		if (v > (INT64_MAX - 9) / 10 || (r->p > from && *from == '0'))
			r->bad = true;
		v = v * 10 + (uint64_t)(*r->p++ - '0');
	}
	if (r->p == from)
		r->bad = true;
	return v;
}

/* Returns the characters up to the closing quote, at which the cursor stays: 1 to `max` bytes
 * of printable ASCII without space and backslash. */
static struct span
text(struct rd *r, size_t max)
{
	const char *from = r->p;

	while (!r->bad && r->p < r->end && *r->p != '"') {
		if (*r->p <= ' ' || *r->p == '\\' || (unsigned char)*r->p >= 127 ||
			(size_t)(r->p - from) >= max)
			r->bad = true;
		else
			r->p++;
	}
	if (r->p == from)
		r->bad = true;
	return span_of(from, (size_t)(r->p - from));
}

/* The value of a lower-case hexadecimal digit; 16 for other bytes. It is a table because
 * verification reads 64 digits for each record. */
static const unsigned char hex_digit[256] = {
/* clang-format off */
#define NO4 16, 16, 16, 16
#define NO16 NO4, NO4, NO4, NO4
	NO16, NO16, NO16,
	0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 16, 16, NO4,
	NO16, NO16,
	16, 10, 11, 12, 13, 14, 15, 16, NO4, NO4,
	NO16, NO16, NO16, NO16, NO16, NO16, NO16, NO16, NO16,
	/* clang-format on */
};

/* Reads 64 hexadecimal digits. */
static void
hash(struct rd *r, unsigned char out[CHAIN_HASH_BYTES])
{
	const unsigned char *p = (const unsigned char *)r->p;
	unsigned all = 0;

	if (r->bad || r->end - r->p < 2 * CHAIN_HASH_BYTES) {
		r->bad = true;
		return;
	}
	for (size_t i = 0; i < CHAIN_HASH_BYTES; i++) {
		unsigned high = hex_digit[p[2 * i]], low = hex_digit[p[2 * i + 1]];
		all |= high | low;
		out[i] = (unsigned char)(high << 4 | low);
	}
	r->bad = all > 15;
	r->p += 2 * CHAIN_HASH_BYTES;
}

bool
chain_unhex(struct span hex, unsigned char out[CHAIN_HASH_BYTES])
{
	struct rd r = { hex.p, hex.n ? hex.p + hex.n : hex.p, hex.n != 2 * CHAIN_HASH_BYTES };

	hash(&r, out);
	return !r.bad;
}

/* Reads a time as RFC 3339. */
static void
stamp_time(struct rd *r, struct chain_line *out)
{
	out->time = text(r, CLOCK_RFC3339_LEN - 1);
	if (!r->bad && clock_parse(out->time.p, out->time.n, &out->time_ns))
		r->bad = true;
}

static void
stamp_node(struct rd *r, struct span *out)
{
	lit(r, "\"node\":\"");
	*out = text(r, CHAIN_NODE_MAX);
	if (!r->bad && !chain_node_valid(*out))
		r->bad = true;
	lit(r, "\"");
}

static void
parse_record(struct rd *r, struct chain_line *out)
{
	stamp_node(r, &out->node);
	lit(r, ",\"boot\":");
	out->boot = chain_number(r);
	lit(r, ",\"seq\":");
	out->seq = chain_number(r);
	lit(r, ",\"prev\":\"");
	hash(r, out->prev);
	lit(r, "\",\"time\":\"");
	stamp_time(r, out);
	lit(r, "\",\"type\":\"");
	out->type = text(r, 64);
	lit(r, "\"");
	if (!r->bad && (r->end - r->p < 1 || r->end[-1] != '}'))
		r->bad = true;
}

static void
parse_commit(struct rd *r, struct chain_line *out)
{
	char sig[sodium_base64_ENCODED_LEN(SIGNKEY_SIG_BYTES, sodium_base64_VARIANT_ORIGINAL)];
	const char *from = r->p;
	size_t n = 0;

	lit(r, "{");
	stamp_node(r, &out->node);
	lit(r, ",\"boot\":");
	out->boot = chain_number(r);
	lit(r, ",\"first\":");
	out->first = chain_number(r);
	lit(r, ",\"seq\":");
	out->seq = chain_number(r);
	lit(r, ",\"head\":\"");
	hash(r, out->head);
	lit(r, "\",\"time\":\"");
	stamp_time(r, out);
	lit(r, "\"}");
	out->signed_text = span_of(from, (size_t)(r->p - from));
	lit(r, ",\"key\":\"");
	out->key = text(r, SIGNKEY_ID_LEN);
	lit(r, "\",\"sig\":\"");
	struct span s = text(r, sizeof(sig) - 1);
	lit(r, "\"}");
	if (r->bad || r->p != r->end || out->first == 0 || out->first > out->seq ||
		base64_get(s, out->sig, sizeof(out->sig), &n) || n != sizeof(out->sig))
		r->bad = true;
}

int
chain_parse(struct span line, struct chain_line *out)
{
	struct rd r = { line.p, line.p + line.n, line.n == 0 };

	*out = (struct chain_line){ 0 };
	lit(&r, "{\"v\":1,");
	if (r.bad)
		return ERR_SYNTAX;
	struct rd c = r;
	lit(&c, "\"commit\":");
	out->commit = !c.bad;
	if (out->commit) {
		r = c;
		parse_commit(&r, out);
	} else {
		parse_record(&r, out);
	}
	return r.bad || out->seq == 0 || out->boot == 0 ? ERR_SYNTAX : 0;
}

struct span
chain_member(struct span line, const char *key)
{
	struct line_rd r = line_rd_over(line);
	struct span name, wanted = span_str(key);

	while (line_member(&r, &name)) {
		const char *from = r.p;
		line_skip(&r);
		if (span_eq(name, wanted))
			return span_of(from, (size_t)(r.p - from));
	}
	return (struct span){ NULL, 0 };
}

/* ---- writing ---- */

bool
chain_node_valid(struct span node)
{
	return node.n >= 1 && node.n <= CHAIN_NODE_MAX && span_is_alnum(node, "._-");
}

/* Appends `s` with each byte that is not valid UTF-8 replaced by U+FFFD. */
static void
put_utf8(struct buf *out, struct span s)
{
	for (;;) {
		size_t good = utf8_prefix(s);
		buf_span(out, span_cut(s, 0, good));
		if (good == s.n)
			return;
		buf_str(out, "\xef\xbf\xbd");
		s = span_cut(s, good + 1, s.n);
	}
}

int
chain_fields_check(struct span fields)
{
	const struct span begin = SPAN_LIT("\"type\":\"");
	struct rd r = { fields.p + begin.n, fields.p + fields.n, false };

	if (fields.n > CAP_RECORD_BYTES)
		return ERR_LIMIT;
	if (!span_starts(fields, begin))
		return ERR_SYNTAX;
	text(&r, 64);
	lit(&r, "\"");
	if (r.bad)
		return ERR_SYNTAX;
	for (size_t i = 0; i < fields.n; i++)
		if ((unsigned char)fields.p[i] < 0x20)
			return ERR_SYNTAX;
	return 0;
}

void
chain_record(struct buf *out, struct chain *c, int64_t wall_ns, struct span fields)
{
	char hex[2 * CHAIN_HASH_BYTES + 1], when[CLOCK_RFC3339_LEN];
	size_t from = out->n;

	chain_hex(c->head, hex);
	clock_rfc3339(wall_ns, when);
	buf_printf(out,
		"{\"v\":1,\"node\":\"%s\",\"boot\":%" PRIu64 ",\"seq\":%" PRIu64
		",\"prev\":\"%s\",\"time\":\"%s\",",
		c->node, c->boot, c->seq + 1, hex, when);
	put_utf8(out, fields);
	buf_putc(out, '}');
	if (buf_failed(out))
		return;
	sha256(span_cut(buf_view(out), from, out->n), c->head);
	c->seq++;
	buf_putc(out, '\n');
}

void
chain_commit(struct buf *out, const struct chain *c, uint64_t first, int64_t wall_ns,
	const struct signkey *key)
{
	char hex[2 * CHAIN_HASH_BYTES + 1], when[CLOCK_RFC3339_LEN];
	char b64[sodium_base64_ENCODED_LEN(SIGNKEY_SIG_BYTES, sodium_base64_VARIANT_ORIGINAL)];
	unsigned char sig[SIGNKEY_SIG_BYTES];

	INVARIANT(first > 0 && first <= c->seq);
	chain_hex(c->head, hex);
	clock_rfc3339(wall_ns, when);
	buf_str(out, "{\"v\":1,\"commit\":");
	size_t from = out->n;
	buf_printf(out,
		"{\"node\":\"%s\",\"boot\":%" PRIu64 ",\"first\":%" PRIu64 ",\"seq\":%" PRIu64
		",\"head\":\"%s\",\"time\":\"%s\"}",
		c->node, c->boot, first, c->seq, hex, when);
	if (buf_failed(out))
		return;
	signkey_sign(key, span_cut(buf_view(out), from, out->n), sig);
	sodium_bin2base64(b64, sizeof(b64), sig, sizeof(sig), sodium_base64_VARIANT_ORIGINAL);
	buf_printf(out, ",\"key\":\"%s\",\"sig\":\"%s\"}\n", key->pub.id, b64);
}
