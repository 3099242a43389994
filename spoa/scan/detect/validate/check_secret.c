/* Validates secrets with a format of their own: JSON web tokens, PEM private keys, tokens with a
 * vendor's prefix, and credentials in URLs, headers and command lines. Some formats prove
 * themselves by a checksum or by content that decodes; each function names the specification. A
 * token whose checksum is wrong is still found, with a lower score, because a token with a typing
 * error or a self-made token must be hidden too. check_generic.c finds secrets without a format. */
#include <stdlib.h>
#include <zlib.h>

#include "base/among.h"
#include "base/ascii.h"
#include "base/codec/digits.h"
#include "base/sha256.h"
#include "scan/detect/validate/check.h"
#include "scan/detect/validate/check_value.h"

/* Decodes base64 of either alphabet (RFC 4648) up to the first other character, or until `to`
 * is full. Returns the number of bytes written. */
static size_t
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

/* ---- JWT ---- */

static enum check_result
check_jwt(struct candidate *c)
{
	struct span rest = span_cut(c->text, c->start, c->end);
	const char *at = memmem(rest.p, rest.n, "eyJ", 3); /* ghs_APPID_ may stand before */
	unsigned char json[512];

	if (at)
		rest = span_cut(rest, (size_t)(at - rest.p), rest.n);
	struct span head = span_next(&rest, '.');
	size_t n = decode64(head, json, sizeof(json));

	return n >= 2 && json[0] == '{' && memmem(json, n, "\"alg\"", 5) ? CHECK_VALID
									 : CHECK_NO;
}

/* ---- PRIVATE_KEY ---- */

enum { PEM_MAX = 1 << 20 };

static bool
is_base64(char c)
{
	return is_alnum(c) || is_one_of(c, "+/=");
}

/* Returns true for characters between the lines of a key that was pasted into code or JSON. */
static bool
is_gap(char c)
{
	return is_one_of(c, " \t\r\n\"'`,;\\>|#*");
}

/* Returns the offset after the gap at i. An escaped line break ("\n" in source text) is a gap
 * too. */
static size_t
skip_gaps(struct span t, size_t i)
{
	while (i < t.n) {
		if (t.p[i] == '\\' && i + 1 < t.n && strchr("nrt", t.p[i + 1]))
			i += 2;
		else if (is_gap(t.p[i]))
			i++;
		else
			break;
	}
	return i;
}

/* Returns the offset after a header line at i, or i if there is none: "Proc-Type: 4,ENCRYPTED"
 * (RFC 1421 4.6) or "Comment: x" (PuTTY, OpenPGP). */
static size_t
skip_header_line(struct span t, size_t i)
{
	size_t end = i;

	while (end < t.n && end - i < 40 && (is_alnum(t.p[end]) || t.p[end] == '-'))
		end++;
	if (end == i || end + 1 >= t.n || t.p[end] != ':' || t.p[end + 1] != ' ')
		return i;
	while (end < t.n && end - i < 200 && t.p[end] != '\n' && t.p[end] != '\\')
		end++;
	return end;
}

/* Returns the end of the base64 lines from i on, for a key without its END line. */
static size_t
body_end(struct span t, size_t i)
{
	size_t end = i, stop = i + PEM_MAX < t.n ? i + PEM_MAX : t.n;

	while (i < stop) {
		size_t at = skip_gaps(t, i), to = span_past(t, at, is_base64);
		bool line = at > i && memchr(t.p + i, '\n', at - i);
		/* Words of prose are base64 too, so a short piece must be the key's last line. */
		bool is_short = to - at < 16;
		if (to == at || (is_short && !line && t.p[to - 1] != '='))
			break;
		if (is_short && to < t.n && !is_gap(t.p[to]))
			break;
		end = i = to;
		if (is_short || (to < t.n && !is_gap(t.p[to])))
			break;
	}
	return end < stop ? end : stop;
}

/* Returns the end of the next "-----END …-----" line after `from`, or SIZE_MAX. */
static size_t
next_end_line(struct candidate *c, size_t from)
{
	struct check_memo *m = c->memo;

	if (m->pem_known && from >= m->pem_from &&
		(m->pem_end == SIZE_MAX || from < m->pem_end))
		return m->pem_end;
	const char *at = memmem(c->text.p + from, c->text.n - from, "-----END ", 9);
	m->pem_from = from;
	m->pem_end = SIZE_MAX;
	m->pem_known = true;
	if (at) {
		struct span tail = span_cut(c->text, (size_t)(at - c->text.p) + 9, c->text.n);
		const char *dashes = memmem(tail.p, tail.n < 64 ? tail.n : 64, "-----", 5);
		m->pem_end = (size_t)((dashes ? dashes + 5 : tail.p) - c->text.p);
	}
	return m->pem_end;
}

/* Returns true if the body may be a key, and is not "...", "XXXX" or "your key here". */
static bool
has_body(struct span s)
{
	enum { RUN = 5, TEXT = 64 };

	const char *dashes = memmem(s.p, s.n, "-----", 5);
	if (dashes)
		s.n = (size_t)(dashes - s.p);
	if (s.n < TEXT && value_is_placeholder(s))
		return false;
	for (size_t i = 0, n = 0; i <= s.n; i++) {
		if (i < s.n && is_base64(s.p[i])) {
			n++;
			continue;
		}
		if (n >= RUN && !token_is_placeholder(span_cut(s, i - n, i)))
			return true;
		n = 0;
	}
	return false;
}

static enum check_result
check_pem(struct candidate *c)
{
	static const char begin[] = "-----BEGIN ";
	size_t at = skip_gaps(c->text, c->end), header, end = next_end_line(c, c->end);
	size_t room = end != SIZE_MAX ? end : c->text.n;

	/* If another key begins before that END, the END belongs to the other key. */
	if (end != SIZE_MAX && end - c->start <= PEM_MAX &&
		!memmem(c->text.p + c->end, end - c->end, begin, sizeof(begin) - 1)) {
		if (!has_body(span_cut(c->text, c->end, room)))
			return CHECK_NO;
		c->end = end;
		return CHECK_VALID;
	}
	while ((header = skip_header_line(c->text, at)) > at)
		at = skip_gaps(c->text, header);
	/* The first line alone, as in "look for BEGIN PRIVATE KEY", is no key. */
	if (span_past(c->text, at, is_base64) - at < 16)
		return CHECK_NO;
	c->end = body_end(c->text, at);
	return CHECK_VALID;
}

/* The PuTTY manual, appendix C: the file ends with its MAC. If the MAC is missing, or another
 * key's header is before it, another pattern finds the key. */
static enum check_result
check_ppk(struct candidate *c)
{
	enum { PPK_MAX = 16 << 10 };
	struct span rest = span_cut(c->text, c->end, c->end + PPK_MAX);
	const char *next = memmem(rest.p, rest.n, "PuTTY-User-Key-File-", 20);

	if (next)
		rest.n = (size_t)(next - rest.p);
	const char *mac = memmem(rest.p, rest.n, "Private-MAC:", 12);
	if (!mac)
		mac = memmem(rest.p, rest.n, "Private-Hash:", 13);
	if (!mac)
		return CHECK_NO;
	size_t at = (size_t)(mac - c->text.p) + 12, from;
	from = span_past_set(c->text, at, ": ");
	at = span_past(span_cut(c->text, 0, from + 64), from, is_hex);
	if (at - from < 40)
		return CHECK_NO;
	c->end = at;
	return CHECK_VALID;
}

/* ---- tokens with a prefix ---- */

/* ghp_xxxxxxxxxxxx: a long run of one byte. A sequence such as abc123 is no placeholder,
 * because people's own keys look like that too. */
bool
token_is_placeholder(struct span s)
{
	size_t run = 1, longest = 1;

	for (size_t i = 1; i < s.n; i++) {
		run = s.p[i] == s.p[i - 1] ? run + 1 : 1;
		if (run > longest)
			longest = run;
	}
	return longest >= 10 || longest * 2 > s.n;
}

static enum check_result
check_token(struct candidate *c)
{
	struct span s = span_cut(c->text, c->start, c->end);

	return token_is_placeholder(s) || shannon_entropy(s) < 2.5f ? CHECK_NO : CHECK_SHAPE;
}

/* ---- credentials in URLs, headers and command lines ---- */

static bool
no_password(struct span s)
{
	return value_is_template(s) || value_is_placeholder(s) || value_is_stock(s);
}

static enum check_result
check_userinfo(struct candidate *c)
{
	struct span s = span_cut(c->text, c->start, c->end);
	size_t at = c->start - (c->start > 0), from = at;

	struct span lead = span_cut(c->text, c->match, c->start);
	if (memmem(lead.p, lead.n, "${", 2) || memmem(lead.p, lead.n, "{{", 2))
		return CHECK_NO;
	/* postgres:postgres@ */
	from = span_back(c->text, from, c->match, is_alnum);
	if (c->start > 0 && c->text.p[at] == ':' && at > from &&
		span_ieq(s, span_cut(c->text, from, at)))
		return CHECK_NO;
	return no_password(s) ? CHECK_NO : CHECK_SHAPE;
}

/* Returns true for user:password in base64 (RFC 7617) if the password is a placeholder or the
 * user's name. */
static bool
basic_is_placeholder(struct span s)
{
	unsigned char raw[512];
	struct span user = span_of((const char *)raw, decode64(s, raw, sizeof(raw)));
	size_t colon = span_chr(user, ':');
	struct span password = span_cut(user, colon + 1, user.n);

	while (password.n && (unsigned char)password.p[password.n - 1] <= ' ')
		password.n--; /* of echo user:password | base64 */
	if (colon >= user.n || password.n == 0)
		return false;
	user.n = colon;
	/* The standard's own example is found, as a sample. */
	bool nobody = span_ieq(user, password) ||
		      (no_password(password) && !span_is(password, "open sesame"));
	explicit_bzero(raw, sizeof(raw));
	return nobody;
}

/* Returns true if "Basic" is before the value. */
static bool
after_basic(const struct candidate *c)
{
	size_t i = c->start;

	while (i > c->match && !is_alpha(c->text.p[i - 1]))
		i--;
	return i >= 5 && span_ieq(span_cut(c->text, i - 5, i), SPAN_LIT("basic"));
}

/* Returns true if the value is the name of a scheme, with its parameters after it: AWS4-HMAC-SHA256
 * Credential=… */
static bool
is_scheme(const struct candidate *c, struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!is_upper(s.p[i]) && !is_digit(s.p[i]) && s.p[i] != '-')
			return false;
	if (c->end == c->text.n) /* a part of a text was looked at */
		return span_starts(s, SPAN_LIT("AWS4-"));
	return s.n <= 32 && span_chr(s, '-') < s.n && c->text.p[c->end] == ' ' &&
	       c->end + 1 < c->text.n && is_alpha(c->text.p[c->end + 1]);
}

static bool
names_credential(struct span lead)
{
	static const char *const words[] = { "authorization", "bearer", "api", "access",
		"secret", "vault-token", "private-token", "://" };

	return SPAN_AMONG(lead, words, span_iholds);
}

static enum check_result
check_bearer(struct candidate *c)
{
	struct span s = span_cut(c->text, c->start, c->end);
	bool digit = span_some(s, is_digit), low = span_some(s, is_lower),
	     high = span_some(s, is_upper);

	if (is_scheme(c, s) || (after_basic(c) && basic_is_placeholder(s)))
		return CHECK_NO;
	/* "bearer" in a sentence is followed by a word; a credential has digits or both cases. */
	if (!(digit && (low || high)) && !(low && high && s.p[s.n - 1] == '='))
		return CHECK_NO;
	if (value_is_template(s) || value_is_placeholder(s) || value_is_name(s) ||
		token_is_placeholder(s))
		return CHECK_NO;
	/* A UUID names a session or a request, unless the text before it names a credential. */
	if (value_is_uuid(s) && !names_credential(span_cut(c->text, c->match, c->start)))
		return CHECK_NO;
	return shannon_entropy(s) < 2.8f ? CHECK_NO : CHECK_SHAPE;
}

/* Returns true if "curl" is before the match on its line. A backslash at a line's end continues
 * the line. */
static bool
after_curl(const struct candidate *c)
{
	size_t from = c->match > CHECK_CURL_BACK ? c->match - CHECK_CURL_BACK : 0;

	for (size_t at = c->match; at > from;) {
		size_t line = from + span_behind(span_cut(c->text, from, at), '\n');
		if (memmem(c->text.p + line, at - line, "curl", 4))
			return true;
		if (line == from || line < 2 || c->text.p[line - 2] != '\\')
			return false;
		at = line - 1;
	}
	return false;
}

static enum check_result
check_curl(struct candidate *c)
{
	struct span s = span_cut(c->text, c->start, c->end);

	while (s.n && strchr("\"'{", s.p[0])) {
		c->start++;
		s = span_cut(s, 1, s.n);
	}
	size_t colon = span_chr(s, ':');
	struct span user = span_cut(s, 0, colon);
	struct span password = span_trim(span_cut(s, colon + 1, s.n), "\"'{}");
	if (user.n && value_is_template(user))
		return CHECK_NO;
	/* "token:": the credential is the user, without a password */
	if (password.n == 0 && !(user.n >= 8 && span_some(user, is_digit)))
		return CHECK_NO;
	if (password.n && (password.n < 6 || no_password(password)))
		return CHECK_NO;
	return after_curl(c) ? CHECK_SHAPE : CHECK_NO;
}

/* Returns the length of the line's end at `at`, which is a byte or a string's escape; 0: there
 * is none. */
static size_t
entry_line_end_at(struct span t, size_t at)
{
	if (at < t.n && t.p[at] == '\n')
		return 1;
	return at + 1 < t.n && t.p[at] == '\\' && t.p[at + 1] == 'n' ? 2 : 0;
}

static size_t
entry_line_end(struct span t, size_t at)
{
	while (at < t.n && !entry_line_end_at(t, at))
		at++;
	return at;
}

/* Moves *at past a block scalar (YAML 1.2, 8.1) whose header is at *at, in an entry that is
 * indented by `indent`. Returns its lines, without the space characters at both ends. */
static struct span
block_scalar(struct span t, size_t *at, size_t indent)
{
	size_t from = 0, to = 0;

	for (size_t line = entry_line_end(t, *at); line < t.n;) {
		size_t begin = line + entry_line_end_at(t, line), end = entry_line_end(t, begin);
		size_t first = span_past_set(span_cut(t, 0, end), begin, " \t\r");
		if (first < end && first - begin <= indent)
			break;
		if (first < end) {
			from = from ? from : first;
			to = span_back(t, end, first, is_space);
		}
		line = *at = end;
	}
	return span_cut(t, from, to);
}

/* Returns true for a space or a quote before an entry's name. */
static bool
is_key_lead(char c)
{
	return c == ' ' || is_quote(c);
}

/* Moves *at past an entry of a Secret's data, `name: value` or "name": "value". Returns its
 * value without quotes, which is empty if no entry is left. */
static struct span
next_entry(struct span t, size_t *at, struct span *name)
{
	*at = span_past_set(t, *at, " \t\r\n");
	while (*at < t.n && t.p[*at] == '#') /* comments */
		*at = span_past_set(t, entry_line_end(t, *at), " \t\r\n");
	size_t colon = *at + span_chr(span_cut(t, *at, t.n), ':');
	*name = span_trim(span_cut(t, *at, colon), " \t\r\n\"',{");
	size_t from = span_past_set(t, colon < t.n ? colon + 1 : t.n, " \t"), to = from;

	if (from < t.n && (t.p[from] == '|' || t.p[from] == '>')) {
		size_t key = (size_t)(name->p - t.p), line = span_back(t, key, 0, is_key_lead);
		*at = from;
		return block_scalar(t, at, key - line);
	}
	if (from < t.n && is_quote(t.p[from])) {
		char quote = t.p[from++];
		to = from + span_chr(span_cut(t, from, t.n), quote);
		*at = to < t.n ? to + 1 : t.n;
	} else {
		*at = entry_line_end(t, from);
		const char *comment = memmem(t.p + from, *at - from, " #", 2);
		to = span_back(t, comment ? (size_t)(comment - t.p) : *at, from, is_space);
		*at += entry_line_end_at(t, *at);
		/* A plain scalar contains no ": " (YAML 1.2, 7.3.3), so this line was joined to the
		 * next. */
		struct span plain = span_cut(t, from, to);
		if (span_ends(plain, SPAN_LIT(":")) || span_holds(plain, SPAN_LIT(": ")))
			to = from;
	}
	return span_cut(t, from, to);
}

/* Finds the values in the data of a Kubernetes Secret, one after the other. Empty values,
 * templates and certificates are skipped. */
static enum check_result
check_k8s(struct candidate *c)
{
	struct span text = span_cut(c->text, 0, c->end), name, value;

	for (size_t at = c->start; (value = next_entry(text, &at, &name)).n || at < text.n;) {
		bool one_line = entry_line_end(value, 0) == value.n;
		/* tls.crt, ca.crt, tls.ca: certificates are public */
		if (value.n < 4 || (one_line && no_password(value)) || span_ends(name, SPAN_LIT(".crt")) ||
			span_ends(name, SPAN_LIT(".ca")) || value_is_public_pem(value))
			continue;
		c->start = (size_t)(value.p - text.p);
		c->end = c->start + value.n;
		c->rest = at < text.n ? at : 0;
		return CHECK_SHAPE;
	}
	return CHECK_NO;
}

/* ---- formats with a checksum or with content that decodes ---- */

enum { UNPROVEN_PERCENT = 75 }; /* part of the score that remains if the checksum is wrong */

static enum check_result
proven_if(struct candidate *c, bool proven)
{
	struct span s = span_cut(c->text, c->start, c->end);

	if (proven)
		return CHECK_VALID;
	if (token_is_placeholder(s) || shannon_entropy(s) < 2.5f)
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

/* github.blog, "Behind GitHub's new authentication token formats", 2021-04-05: the last six
 * characters are a CRC-32 of an earlier part. For classic tokens that part is published: it
 * begins after the underscore. For github_pat_ it is not published, and there are several
 * underscores, so the part after each is tried. */
static enum check_result
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

/* Grafana, pkg/components/satokengen: glsa_SECRET_XXXXXXXX. The last eight digits are the
 * CRC-32 of the text before their underscore, lowest byte first. */
static enum check_result
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
static enum check_result
check_bech32_key(struct candidate *c)
{
	struct span s = span_cut(c->text, c->start, c->end);
	size_t data = span_behind(s, '1');
	uint32_t sum;

	if (!sum_bech32(s, data ? data - 1 : 0, &sum))
		return CHECK_NO;
	if (data > 1 && sum == 1)
		return CHECK_VALID;
	/* The prefix is too long to occur by chance. */
	c->score = c->score * (float)UNPROVEN_PERCENT / 100;
	return CHECK_SHAPE;
}

/* BIP 32, "Serialization format": 78 bytes and the first four of their double
 * SHA-256, in base 58. */
static enum check_result
check_xprv(struct candidate *c)
{
	enum { BYTES = 82 };
	struct span s = span_cut(c->text, c->start, c->end);

	return proven_if(c, sum_base58check(s, SUM_BASE58, BYTES));
}

/* ---- base64 inside ---- */

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

/* An API token of PyPI (pypi.org/help#apitoken) is "pypi-" and a macaroon of version 2
 * (libmacaroons doc/format.txt): a header, caveats, and a signature of 32 bytes. */
static enum check_result
check_pypi(struct candidate *c)
{
	enum { LOCATION = 1, IDENTIFIER = 2, SIGNATURE = 6, SIGNATURE_BYTES = 32 };
	unsigned char raw[1024];
	struct span s = span_cut(c->text, c->start + sizeof("pypi-") - 1, c->end);
	struct macaroon m = { .p = raw, .n = decode64(s, raw, sizeof(raw)) };
	int type;

	if (m.n < 8 || raw[m.at++] != 2)
		return proven_if(c, false);
	/* A zero ends each section of fields. An empty section is the last one. */
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

/* A token that contains JSON in base64 (Sentry sntrys_, Grafana glc_, 1Password ops_). The part
 * from "eyJ" to the end, "=" or "_" must decode to an object. */
static enum check_result
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
static enum check_result
check_discord(struct candidate *c)
{
	struct span s = span_cut(c->text, c->start, c->end);
	unsigned char id[24];
	size_t n = decode64(span_cut(s, 0, span_chr(s, '.')), id, sizeof(id));

	return valid_if(n >= 17 && n <= 20 && span_is_digits(span_of(id, n)));
}

/* AWS IAM user guide, "Unique identifiers": four letters, then base32. Bits 1 to 40
 * of keys made since 2019 are the account, twelve decimal digits. */
static enum check_result
check_aws_id(struct candidate *c)
{
	struct span s = span_cut(c->text, c->start + 4, c->end);
	uint64_t bits = 0;

	if (token_is_placeholder(s) || shannon_entropy(s) < 2.0f)
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
static enum check_result
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
	if (basic_is_placeholder(s))
		return CHECK_NO;
	return colon && n >= 5 ? CHECK_VALID : check_bearer(c);
}

/* The validators of this file (check.h). */
/* clang-format off */
const struct check checks_secret[] = {
	{ "k8s",        check_k8s,        "the data of a Kubernetes Secret", NULL },
	{ "ppk",        check_ppk,        "grammar to its MAC", NULL },
	{ "crc62",      check_crc62,      "CRC-32 in base 62", NULL }, /* GitHub, npm */
	{ "grafana",    check_grafana,    "CRC-32 in hex", NULL },
	{ "bech32_key", check_bech32_key, "bech32 (BIP 173)", NULL }, /* age, Nostr */
	{ "xprv",       check_xprv,       "Base58Check of 78 bytes (BIP 32)", NULL },
	{ "pypi",       check_pypi,       "a macaroon in base64", NULL },
	{ "json64",     check_json64,     "JSON in base64", NULL },
	{ "discord",    check_discord,    "a snowflake in base64", NULL },
	{ "aws_id",     check_aws_id,     "an account number in base32", NULL },
	{ "basic",      check_basic,      "user:password in base64 (RFC 7617)", NULL },
	{ "jwt",        check_jwt,        "its header is JSON with alg (RFC 7515)", NULL },
	{ "pem",        check_pem,        "a private key's body (RFC 7468)", NULL }, /* with or without its END line */
	{ "token",      check_token,      "looks random", NULL }, /* refuses placeholders, and runs of one byte */
	{ "bearer",     check_bearer,     "looks random", NULL }, /* a credential in a header */
	{ "userinfo",   check_userinfo,   "no stop word", NULL }, /* scheme://user:password@host */
	{ "curl",       check_curl,       "no stop word", NULL }, /* curl -u user:password */
	{ NULL, NULL, NULL, NULL },
};
/* clang-format on */
