/* Secrets whose format proves itself: a checksum, or an inside that decodes. What
 * does not compute is still a finding, at a lower score: a token with a typing
 * error, or one made up by its owner, is no less to be hidden. The specification
 * is at each function. */
#include <stdlib.h>
#include <zlib.h>

#include "base/ascii.h"
#include "base/among.h"
#include "base/codec/digits.h"
#include "base/sha256.h"
#include "scan/detect/validate/check_sum.h"
#include "scan/detect/validate/check_value.h"

enum { UNPROVEN_PERCENT = 75 }; /* of its score that a failed checksum leaves */

static enum check_result
proven_if(struct candidate *c, bool proven)
{
	struct span s = span_cut(c->text, c->start, c->end);

	if (proven)
		return CHECK_VALID;
	if (token_placeholder(s) || entropy(s) < 2.5f)
		return CHECK_NO;
	c->score = c->score * (float)UNPROVEN_PERCENT / 100;
	return CHECK_SHAPE;
}

static uint32_t
crc_of(struct span s)
{
	return (uint32_t)crc32(0, (const unsigned char *)s.p, (unsigned)s.n);
}

/* ---- CRC-32 in base 62, six digits: GitHub, npm ---- */

/* github.blog, "Behind GitHub's new authentication token formats", 2021-04-05: the
 * last six characters are a CRC-32 of the rest. Of which rest is published for the
 * classic tokens (what follows the underscore) and not for github_pat_, whose rest
 * has an underscore of its own: each is tried. */
enum check_result
check_crc62(struct candidate *c)
{
	static const char base62[] =
		"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
	enum { DIGITS = 6 };
	struct span s = span_cut(c->text, c->start, c->end);
	uint64_t want = 0;
	bool proven = false;

	if (s.n < 2 * DIGITS)
		return CHECK_NO;
	for (size_t i = s.n - DIGITS; i < s.n; i++) {
		const char *v = memchr(base62, s.p[i], 62);
		if (!v)
			return proven_if(c, false);
		want = want * 62 + (unsigned)(v - base62);
	}
	for (size_t i = 0; i < s.n - DIGITS && !proven; i++)
		if (i == 0 || s.p[i - 1] == '_')
			proven = crc_of(span_cut(s, i, s.n - DIGITS)) == want;
	return proven_if(c, proven);
}

/* Grafana, pkg/components/satokengen: glsa_SECRET_XXXXXXXX, where the last eight are
 * the CRC-32 of what comes before their underscore, lowest byte first. */
enum check_result
check_grafana(struct candidate *c)
{
	struct span s = span_cut(c->text, c->start, c->end);
	uint32_t crc, want = 0;

	if (s.n < 10 || s.p[s.n - 9] != '_')
		return proven_if(c, false);
	crc = crc_of(span_cut(s, 0, s.n - 9));
	for (size_t i = 0; i < 8; i += 2) {
		char pair[3] = { s.p[s.n - 8 + i], s.p[s.n - 7 + i], 0 };
		want |= (uint32_t)strtoul(pair, NULL, 16) << (i * 4);
	}
	return proven_if(c, crc == want);
}

/* ---- bech32 and Base58Check ---- */

/* BIP 173: age identities (age-encryption.org/v1, "AGE-SECRET-KEY-"), Nostr's nsec
 * (NIP-19). The human-readable part ends at the last 1. */
enum check_result
check_bech32_key(struct candidate *c)
{
	struct span s = span_cut(c->text, c->start, c->end);
	size_t data = span_behind(s, '1');
	uint32_t sum;

	if (!sum_bech32(s, data ? data - 1 : 0, &sum))
		return CHECK_NO;
	if (data > 1 && sum == 1)
		return CHECK_VALID;
	/* The prefix is too long to be there by chance. */
	c->score = c->score * (float)UNPROVEN_PERCENT / 100;
	return CHECK_SHAPE;
}

/* BIP 32, "Serialization format": 78 bytes and the first four of their double
 * SHA-256, in base 58. */
enum check_result
check_xprv(struct candidate *c)
{
	enum { BYTES = 82 };
	struct span s = span_cut(c->text, c->start, c->end);

	return proven_if(c, sum_base58check(s, SUM_BASE58, BYTES));
}

/* ---- base64 inside ---- */

/* Either alphabet of RFC 4648; the number of bytes written, stopping at the first
 * character that is none or when `to` is full. */
size_t
decode64(struct span s, unsigned char *to, size_t cap)
{
	unsigned bits = 0, have = 0;
	size_t n = 0;

	for (size_t i = 0; i < s.n && n < cap; i++) {
		int v = value64(s.p[i]);
		if (v < 0)
			break;
		bits = (bits << 6 | (unsigned)v) & 0xFFFFu;
		have += 6;
		if (have >= 8) {
			have -= 8;
			to[n++] = (unsigned char)(bits >> have);
		}
	}
	return n;
}

struct macaroon {
	const unsigned char *p;
	size_t n, at;
};

/* field = type length bytes, both numbers varints (below 0x4000 here). */
static int
macaroon_field(struct macaroon *m)
{
	if (m->at >= m->n)
		return -1;
	int type = m->p[m->at++];
	if (type == 0)
		return 0;
	if (m->at >= m->n)
		return -1;
	size_t len = m->p[m->at++];
	if (len & 0x80) {
		if (m->at >= m->n)
			return -1;
		len = (len & 0x7F) | (size_t)m->p[m->at++] << 7;
	}
	if (type > 6 || len > m->n - m->at)
		return -1;
	m->at += len;
	return type;
}

/* pypi.org/help#apitoken; the token is "pypi-" and a version 2 macaroon
 * (libmacaroons doc/format.txt): a header, caveats, and a signature of 32 bytes. */
enum check_result
check_pypi(struct candidate *c)
{
	enum { LOCATION = 1, IDENTIFIER = 2, SIGNATURE = 6, SIGNATURE_BYTES = 32 };
	unsigned char raw[1024];
	struct span s = span_cut(c->text, c->start + sizeof("pypi-") - 1, c->end);
	struct macaroon m = { .p = raw, .n = decode64(s, raw, sizeof(raw)) };
	int type;

	if (m.n < 8 || raw[m.at++] != 2)
		return proven_if(c, false);
	/* Sections of fields, each ended by a zero; an empty one ends them all. */
	for (bool empty = false; !empty;) {
		empty = true;
		while ((type = macaroon_field(&m)) > 0)
			empty = false;
		if (type < 0)
			return proven_if(c, false);
	}
	size_t from = m.at;
	bool last = macaroon_field(&m) == SIGNATURE && m.at - from == 2 + SIGNATURE_BYTES;
	return proven_if(c, last && m.at == m.n && raw[1] == LOCATION);
}

/* A token that carries JSON in base64 (Sentry sntrys_, Grafana glc_, 1Password
 * ops_): what begins at "eyJ" is an object up to the text's end, "=" or "_". */
enum check_result
check_json64(struct candidate *c)
{
	struct span s = span_cut(c->text, c->start, c->end);
	const char *at = memmem(s.p, s.n, "eyJ", 3);
	unsigned char raw[4096];
	size_t n;

	if (!at)
		return proven_if(c, false);
	s = span_cut(s, (size_t)(at - s.p), s.n);
	/* Sentry puts its own "_" and a signature after the padding. */
	n = decode64(span_cut(s, 0, span_chr(s, '=')), raw, sizeof(raw));
	if (n == 0 || n == sizeof(raw))
		return proven_if(c, false);
	for (size_t i = 0; i < n; i++)
		if (raw[i] < 0x20 || raw[i] > 0x7E)
			return proven_if(c, false);
	return proven_if(c, raw[0] == '{' && raw[n - 1] == '}');
}

/* Discord, reference/authentication: the part before the first dot is the bot's id
 * (a decimal snowflake) in base64. */
enum check_result
check_discord(struct candidate *c)
{
	struct span s = span_cut(c->text, c->start, c->end);
	unsigned char id[24];
	size_t n = decode64(span_cut(s, 0, span_chr(s, '.')), id, sizeof(id));

	return valid_if(n >= 17 && n <= 20 && span_is_digits(span_of(id, n)));
}

/* AWS IAM user guide, "Unique identifiers": four letters, then base32. Bits 1 to 40
 * of keys made since 2019 are the account, twelve decimal digits. */
enum check_result
check_aws_id(struct candidate *c)
{
	struct span s = span_cut(c->text, c->start + 4, c->end);
	uint64_t bits = 0;

	if (token_placeholder(s) || entropy(s) < 2.0f)
		return CHECK_NO;
	if (s.p[0] == 'I' || s.p[0] == 'J') /* older: no account inside */
		return CHECK_SHAPE;
	for (size_t i = 0; i < 10; i++) {
		char x = s.p[i];
		if (!is_upper(x) && !(x >= '2' && x <= '7'))
			return proven_if(c, false);
		bits = bits << 5 | (unsigned)(is_upper(x) ? x - 'A' : x - '2' + 26);
	}
	/* 50 bits: drop the first and the last nine. */
	if ((bits >> 9 & 0xFFFFFFFFFF) > 999999999999)
		return proven_if(c, false);
	return CHECK_SHAPE;
}

/* RFC 7617 section 2: base64 of user ":" password. */
enum check_result
check_basic(struct candidate *c)
{
	struct span s = span_cut(c->text, c->start, c->end);
	unsigned char raw[512];
	size_t n = decode64(s, raw, sizeof(raw));
	bool colon = false;

	for (size_t i = 0; i < n; i++) {
		if (raw[i] < 0x20 || raw[i] == 0x7F)
			return check_bearer(c);
		colon |= raw[i] == ':';
	}
	if (basic_is_nobody(s))
		return CHECK_NO;
	return colon && n >= 5 ? CHECK_VALID : check_bearer(c);
}
