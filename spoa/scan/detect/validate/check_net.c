/* Validates IP addresses and e-mail addresses.
 *
 * A number with four parts may also be the version of a program. is_version_number() decides
 * by the text around it: the name of a product before it, the revision of a package after
 * it. Addresses that identify nobody (private networks, loopback, documentation, public
 * resolvers) belong to another entity, whose validator is check_ip_special().
 *
 * The pattern of e-mail addresses matches more than an address. check_email() moves the ends
 * of the match: the local part begins after a character of a script that does not separate
 * words, and the domain ends with its top-level domain. */
#include <arpa/inet.h>

#include "base/among.h"
#include "base/utf8.h"
#include "scan/detect/validate/check.h"

/* ---- IP_ADDRESS ---- */

/* dotted = octet "." octet "." octet "." octet */
static bool
parse_v4(struct span s, unsigned octets[4], bool *padded)
{
	*padded = false;
	for (int i = 0; i < 4; i++) {
		struct span part = span_next(&s, '.');
		uint64_t v;
		if (part.n > 3 || span_u64(part, &v) || v > 255 || (i < 3 && !s.p))
			return false;
		*padded |= part.n > 1 && part.p[0] == '0';
		octets[i] = (unsigned)v;
	}
	return s.p == NULL;
}

/* Returns true for networks that identify nobody: RFC 6890 (private, loopback, link-local, shared,
 * documentation, benchmarks), multicast, reserved networks, and public resolvers. */
static bool
is_special_v4(const unsigned o[4])
{
	static const struct {
		uint32_t net, bits;
	} nets[] = { { 0x00000000, 8 }, { 0x0A000000, 8 }, { 0x64400000, 10 },
		{ 0x7F000000, 8 }, { 0xA9FE0000, 16 }, { 0xAC100000, 12 }, { 0xC0000000, 24 },
		{ 0xC0000200, 24 }, { 0xC0A80000, 16 }, { 0xC6120000, 15 }, { 0xC6336400, 24 },
		{ 0xCB007100, 24 }, { 0xE0000000, 3 }, { 0x08080808, 32 }, { 0x08080404, 32 },
		{ 0x01010101, 32 }, { 0x01000001, 32 }, { 0x09090909, 32 }, { 0x95707070, 32 },
		{ 0xD043DEDE, 32 }, { 0xD043DCDC, 32 } };
	uint32_t at = o[0] << 24 | o[1] << 16 | o[2] << 8 | o[3];

	for (size_t i = 0; i < COUNT_OF(nets); i++)
		if ((at ^ nets[i].net) >> (32 - nets[i].bits) == 0)
			return true;
	return false;
}

static bool
is_special_v6(const unsigned char b[16])
{
	static const unsigned char none[15], mapped[12] = { [10] = 0xFF, [11] = 0xFF };

	if (!memcmp(b, mapped, 12))
		return is_special_v4((unsigned[]){ b[12], b[13], b[14], b[15] });
	return (!memcmp(b, none, 15) && b[15] <= 1) || b[0] == 0xFF || (b[0] & 0xFE) == 0xFC ||
	       (b[0] == 0xFE && (b[1] & 0xC0) == 0x80) || !memcmp(b, "\x20\x01\x0d\xb8", 4) ||
	       (b[0] == 0x3F && b[1] == 0xFF && b[2] < 0x10) ||
	       !memcmp(b, "\x20\x01\x48\x60\x48\x60\0\0", 8) || /* Google's resolvers */
	       !memcmp(b, "\x26\x06\x47\0\x47\0\0\0", 8);	/* Cloudflare's */
}

/* ---- four numbers that are a version ---- */

static bool
is_product_char(char c)
{
	return is_alnum(c) || is_one_of(c, "_-+");
}

/* Returns true if [from, to) names a product: it begins a word, has a letter and no dot, and
 * is no word that stands before addresses. A name with a number at its end may be a host's, as
 * in the "worker-3/81.2.69.142" of Java's logs. */
static bool
names_product(struct span t, size_t from, size_t to)
{
	static const char *const hosts[] = { "addr", "address", "client", "dns", "dst",
		"gateway", "geoip", "host", "hosts", "inet", "ip", "ips", "ipv4", "localhost",
		"lookup", "node", "peer", "ping", "proxy", "remote", "route", "server",
		"servers", "src", "ssh", "tcp", "udp", "whois" };
	struct span word = span_cut(t, from, to);

	if (word.n < 2 || is_digit(word.p[word.n - 1]) || !is_alpha(word.p[0]) ||
		(from > 0 && !is_one_of(t.p[from - 1], " \t\r\n\"'`(,;[{|>=")))
		return false;
	for (size_t i = 0; i < COUNT_OF(hosts); i++)
		if (span_ieq(word, span_str(hosts[i])))
			return false;
	return true;
}

/* Returns true if the text before the four numbers makes them a version: "Chrome/131.0.0.1"
 * (RFC 9110 10.1.5), "name==81.2.3.4" and ">=" (PEP 440), "(>= 81.2.3.4" (Debian policy 7.1),
 * "## [81.2.3.4]" (the heading of a changelog). */
static bool
is_behind_product(struct span t, size_t start)
{
	size_t to = start, least = start > 64 ? start - 64 : 0;

	if (start > 3 && is_one_of(t.p[start - 1], "[v") &&
		span_ends(span_cut(t, 0, start - 1), SPAN_LIT("# ")))
		return true;
	/* "^81.2.3.4" of npm, "~> 81.2.3.4" of RubyGems */
	if (start > 0 &&
		(t.p[start - 1] == '^' || (start > 2 && !memcmp(t.p + start - 3, "~> ", 3))))
		return true;
	if (start > 1 && t.p[start - 1] == '/')
		to = start - 1;
	else if (start > 2 && t.p[start - 1] == '=' && is_one_of(t.p[start - 2], "=<>~!"))
		to = start - 2;
	else if (start > 3 && t.p[start - 1] == ' ' && is_one_of(t.p[start - 2], "=<>"))
		return t.p[start - 3] == '(' || (start > 4 && t.p[start - 4] == '(');
	if (to == start)
		return false;
	return names_product(t,
		least + span_back(span_cut(t, least, to), to - least, 0, is_product_char), to);
}

/* Returns true if a package's revision follows: "81.2.3.4-1", "-1ubuntu2", "-2.el9". The end of
 * a range is above the last number: "81.2.69.142-150". */
static bool
is_before_revision(struct span t, size_t end, unsigned last)
{
	size_t digits = end + 1;
	uint64_t revision;

	if (end >= t.n || t.p[end] != '-')
		return false;
	digits = span_past(t, end + 1, is_digit);
	if (digits == end + 1 || digits - end > 4 ||
		span_u64(span_cut(t, end + 1, digits), &revision))
		return false;
	char c = digits < t.n ? t.p[digits] : 0, d = digits + 1 < t.n ? t.p[digits + 1] : 0;
	if (is_alpha(c) || c == '+' || c == '~' || (c == '.' && is_alpha(d)))
		return true;
	return revision <= last && c != '.';
}

static bool
is_version_number(const struct candidate *c, const unsigned o[4])
{
	char next = c->end < c->text.n ? c->text.p[c->end] : 0;

	/* "131.0.0.0", as browsers write their version, is the address of no host. A length after
	 * it makes it a network, and a port makes it an address. */
	if (next == '/' || next == ':')
		return false;
	return (o[1] == 0 && o[2] == 0 && o[3] == 0) || is_behind_product(c->text, c->start) ||
	       is_before_revision(c->text, c->end, o[3]);
}

enum { SECTION_FIRST = 20, SECTION_PART = 60 }; /* the largest numbers of a section */

/* Returns true for the number of a section of a specification, "# 2.2.23.1 FLAGGED_WORD" or
 * "\xC2\xA7 7.7.3.3", and for an attribute of X.500, 2.5.4.x. */
static bool
is_section_number(const struct candidate *c, const unsigned o[4])
{
	size_t at = c->start;

	if (o[0] == 2 && o[1] == 5 && o[2] == 4)
		return true;
	if (o[0] > SECTION_FIRST || o[1] > SECTION_PART || o[2] > SECTION_PART ||
		o[3] > SECTION_PART)
		return false;
	while (at > 0 && c->text.p[at - 1] == ' ')
		at--;
	return at > 0 && (c->text.p[at - 1] == '#' || c->text.p[at - 1] == '\xa7');
}

static enum check_result
check_v4(struct candidate *c, bool special)
{
	unsigned o[4];
	bool padded;

	if (!parse_v4(span_cut(c->text, c->start, c->end), o, &padded))
		return CHECK_NO;
	/* the address of no host: any address, a mask, broadcast */
	if ((o[0] == 0 && o[1] == 0 && o[2] == 0 && o[3] == 0) || (o[0] == 255 && o[1] == 255))
		return CHECK_NO;
	if (is_special_v4(o) != special || is_version_number(c, o) ||
		(!special && is_section_number(c, o)))
		return CHECK_NO;
	/* 1.2.3.4 is a version or a section unless a context word names an address. Releases are
	 * not counted like 2.2.4.4. */
	bool digits = o[0] < 10 && o[1] < 10 && o[2] < 10 && o[3] < 10;
	if (!special && o[0] <= SECTION_FIRST && o[1] <= SECTION_PART && o[2] <= SECTION_PART)
		digits |= o[3] <= SECTION_PART;
	bool doubled = o[0] == o[1] && o[2] == o[3] && o[2] != 0;
	if (digits && !doubled)
		c->score -= 0.25f;
	return padded ? CHECK_SHAPE : CHECK_VALID;
}

static bool
looks_like_v6(struct span s, bool *strong)
{
	size_t groups = 0, digits = 0, pairs = 0, group = 0;

	for (size_t i = 0; i <= s.n; i++) {
		if (i < s.n && s.p[i] != ':') {
			digits += is_digit(s.p[i]);
			group++;
			continue;
		}
		groups += group > 0;
		pairs += group == 2;
		group = 0;
	}
	/* Eight pairs are an EUI-64 or a dump, not an address. */
	if (groups == 0 || digits == 0 || (groups == 8 && pairs == 8))
		return false;
	*strong = groups >= 4 || span_chr(s, '.') < s.n || span_starts(s, SPAN_LIT("::1")) ||
		  strchr("fF23", s.p[0]) != NULL || span_starts(s, SPAN_LIT("64:"));
	return true;
}

static enum check_result
check_v6(struct candidate *c, bool special)
{
	struct span s = span_cut(c->text, c->start, c->end), address = s;
	char copy[INET6_ADDRSTRLEN];
	unsigned char bytes[16];
	bool strong;

	while (s.n &&
		(s.p[s.n - 1] == '.' || (s.p[s.n - 1] == ':' && !span_ends(s, SPAN_LIT("::")))))
		s.n--;
	address.n = span_chr(s, '%');
	if (address.n >= sizeof(copy) || address.n < 3)
		return CHECK_NO;
	memcpy(copy, address.p, address.n);
	copy[address.n] = '\0';
	if (inet_pton(AF_INET6, copy, bytes) != 1 || !looks_like_v6(address, &strong) ||
		is_special_v6(bytes) != special)
		return CHECK_NO;
	c->end = c->start + s.n;
	/* a path of Rust or C++ that is called: d2::d2() */
	if (c->end < c->text.n && c->text.p[c->end] == '(')
		return CHECK_NO;
	if (!strong)
		c->score -= 0.3f;
	return CHECK_VALID;
}

static enum check_result
check_address(struct candidate *c, bool special)
{
	struct span s = span_cut(c->text, c->start, c->end);

	return span_chr(s, ':') < s.n ? check_v6(c, special) : check_v4(c, special);
}

static enum check_result
check_ip(struct candidate *c)
{
	return check_address(c, false);
}

static enum check_result
check_ip_special(struct candidate *c)
{
	return check_address(c, true);
}

/* ---- EMAIL_ADDRESS ---- */

enum { LOCAL_MAX = 64 };

/* Returns true if a character belongs to a script of U+0370 and above, to which Latin letters
 * (U+1E00 to U+1EFF) do not belong, or to the signs U+0080 to U+00BF. */
static bool
is_of_far_script(struct span t, size_t at)
{
	unsigned char lead = (unsigned char)t.p[at];
	unsigned char next = at + 1 < t.n ? (unsigned char)t.p[at + 1] : 0;

	return lead == 0xC2 || (lead == 0xCD && next >= 0xB0) ||
	       (lead >= 0xCE && !utf8_latin_at(t, at));
}

/* Returns where the local part that ends at `at` begins: after the last character of another
 * script, if there is ASCII after it and in the domain. */
static size_t
local_begin(struct span t, size_t start, size_t at)
{
	size_t from = start;
	bool ascii = false, domain = at + 1 < t.n && !is_high(t.p[at + 1]);

	for (size_t i = at; domain && i > start; i--)
		ascii |= !is_high(t.p[i - 1]);
	for (size_t i = start; ascii && i < at; i++)
		if (is_of_far_script(t, i)) {
			/* a whole character of another script: skip it */
			size_t end = i + 1;
			while (end < at && (t.p[end] & 0xC0) == 0x80)
				end++;
			from = end;
			i = end - 1;
		}
	/* the whole local part is in such a script: 用户@例子.广告 */
	return from < at ? from : start;
}

static bool
is_local(char c)
{
	return is_letter_or_digit(c) || is_one_of(c, ".%&'+_-");
}

/* Cuts a domain after a top-level domain in ASCII that a letter of another script or a sign
 * follows: a name ends where its alphabet ends. Latin letters beyond ASCII (U+00C0 to U+024F, U+1E00
 * to U+1EFF) belong to it, so "jane@müller.example" is whole. A label that begins in another
 * alphabet is left as it is: "shop.例子.com". */
static void
cut_at_alphabet(struct span *s)
{
	for (size_t i = 1; i < s->n; i++) {
		if (!is_high(s->p[i]) || ((unsigned char)s->p[i] & 0xC0) == 0x80 ||
			utf8_latin_at(*s, i))
			continue;
		size_t label = span_behind(span_cut(*s, 0, i), '.');
		bool ace = i - label > 4 &&
			   span_ieq(span_cut(*s, label, label + 4), SPAN_LIT("xn--"));
		if (label && i - label >= 2 && (ace || span_past(*s, label, is_alpha) == i)) {
			s->n = i;
			return;
		}
	}
}

/* Shrinks *s to a domain: domain = label { "." label } "." tld. Returns false if there is none. */
static bool
shrink_domain(struct span *s)
{
	for (;;) {
		size_t n = span_behind(*s, '.');
		if (n < 2)
			return false;
		struct span tld = span_cut(*s, n, s->n);
		tld.n = span_back_set(tld, tld.n, 0, "-");
		bool letters = true,
		     ace = tld.n > 4 && span_ieq(span_cut(tld, 0, 4), SPAN_LIT("xn--"));
		for (size_t i = 0; i < tld.n; i++)
			letters = letters &&
				  (is_alpha(tld.p[i]) || is_high(tld.p[i]) ||
					  (ace && (is_digit(tld.p[i]) || tld.p[i] == '-')));
		/* "mail@example.com请回复": the name ends with ASCII, unless it continues in an
		 * alphabet of names: Latin, Greek, Cyrillic and neighboring blocks (U+00C0 to
		 * U+1FFF). Han, kana, Hangul and punctuation follow a name without a space. */
		size_t plain = span_past(tld, 0, is_alpha);
		unsigned char lead = plain < tld.n ? (unsigned char)tld.p[plain] : 0;
		if (letters && plain >= 2 && plain < tld.n && is_high(tld.p[plain]) &&
			(lead < 0xC3 || lead > 0xE1))
			tld.n = plain;
		if (letters && tld.n >= 2) {
			s->n = n + tld.n;
			return true;
		}
		s->n = n - 1; /* no top-level domain: the next sentence */
	}
}

static bool
good_labels(struct span s)
{
	size_t leading_numbers = 0, at = 0;

	while (s.p) {
		struct span label = span_next(&s, '.');
		if (label.n == 0 || label.n > 63 || label.p[0] == '-' ||
			label.p[label.n - 1] == '-')
			return false;
		leading_numbers += leading_numbers == at && span_is_digits(label);
		at++;
	}
	return leading_numbers < 2; /* name@1.0.0-rc.beta is a package */
}

/* Returns true if the text ends with jdbc:oracle:thin:user, in any case. */
static bool
is_oracle_user(struct span s)
{
	static const struct span scheme = SPAN_LIT("jdbc:oracle:");
	size_t i = s.n;

	while (i > 0 && s.n - i < 96 && (is_alnum(s.p[i - 1]) || is_one_of(s.p[i - 1], "_$#:")))
		i--;
	s = span_cut(s, i, s.n);
	return s.n > scheme.n && span_ieq(span_cut(s, 0, scheme.n), scheme);
}

/* Returns true if the address is part of scheme://user:password@host or of Oracle's
 * jdbc:oracle:thin:user/password@host, which have rules of their own. */
static bool
inside_userinfo(struct span t, size_t start, size_t sign)
{
	size_t from = start > 256 ? start - 256 : 0, i = start;
	bool colon = false;

	if (i >= 3 && memcmp(t.p + i - 3, "://", 3) == 0)
		return true;
	if (i > from && t.p[i - 1] == '/' && is_oracle_user(span_cut(t, from, i - 1)))
		return true;
	/* No character between the last "://" and the @ may end the authority. */
	const char *slash = i > from ? memrchr(t.p + from, '/', i - from) : NULL;
	if (!slash || slash - t.p < 2 || slash[-1] != '/' || slash[-2] != ':')
		return false;
	i = (size_t)(slash - t.p) + 1;
	for (size_t k = i; k < start; k++)
		if (strchr(" \t\r\n\"'<>", t.p[k])) /* or a NUL */
			return false;
	for (; i < sign; i++)
		colon |= t.p[i] == ':';
	return colon;
}

/* Returns where an address in EDIFACT's segment for addresses begins, as in 'COM+ada@example.org:EM'. An
 * apostrophe ends the segment before (UN/EDIFACT, segment COM). */
static size_t
past_edifact(struct span t, size_t start, size_t sign)
{
	struct span local = span_cut(t, start, sign);
	const char *com = local.n > 4 ? memmem(local.p, local.n, "COM+", 4) : NULL;
	size_t at = com ? (size_t)(com - t.p) : 0;

	return com && at + 4 < sign && (at == 0 || is_one_of(t.p[at - 1], "'\n")) ? at + 4 : start;
}

static enum check_result
check_email(struct candidate *c)
{
	struct span whole = span_cut(c->text, c->start, c->end);
	size_t at = c->start + span_chr(whole, '@');
	size_t start = local_begin(c->text, c->start, at);
	struct span domain = span_cut(c->text, at + 1, c->end);

	/* the end of a longer name is no name */
	if (start == c->start && start > 0 && at - start < LOCAL_MAX &&
		is_local(c->text.p[start - 1]) && is_local(c->text.p[start]))
		return CHECK_NO;
	/* signs before the address: a quote, emphasis, a diff's + and - */
	while (start < at && is_one_of(c->text.p[start], ".'-`/=*~#|{}+&%"))
		start++;
	/* In JSON and programs within the text: \nada@example.org begins with an escape. */
	if (start > 0 && start + 1 < at && c->text.p[start - 1] == '\\' &&
		is_one_of(c->text.p[start], "nrt"))
		start++;
	start = past_edifact(c->text, start, at);
	if (start == at || c->text.p[at - 1] == '.')
		return CHECK_NO;
	if (at - start > LOCAL_MAX) /* too long for a name; its last characters may be one */
		start = at - LOCAL_MAX;
	cut_at_alphabet(&domain);
	if (!shrink_domain(&domain) || domain.n > 253 || !good_labels(domain))
		return CHECK_NO;
	/* icon@2x.png */
	if (domain.n > 3 && is_digit(domain.p[0]) && domain.p[1] == 'x' && domain.p[2] == '.')
		return CHECK_NO;
	c->start = start;
	c->end = at + 1 + domain.n;
	/* git@host:path is a repository's address. */
	if (at - start == 3 && !memcmp(c->text.p + start, "git", 3) && c->end < c->text.n &&
		strchr(":/", c->text.p[c->end]) && c->text.p[c->end])
		return CHECK_NO;
	return inside_userinfo(c->text, start, at) ? CHECK_NO : CHECK_VALID;
}

/* The validators of this file (check.h). */
/* clang-format off */
const struct check checks_net[] = {
	{ "ip",         check_ip,         "RFC 4291", NULL }, /* RFC 5952; version numbers are refused */
	{ "ip_special", check_ip_special, "RFC 6890, public resolvers", NULL },
	{ "email",      check_email,      "RFC 5321 grammar", NULL }, /* 4.1.2; RFC 6531 */
	{ NULL, NULL, NULL, NULL },
};
/* clang-format on */
