/* Finds secrets without a format: `key = value`, where the key's name promises a secret and the
 * value looks random. Source code is full of identifiers in such places. These checks
 * refuse them: the entropy of the value, its pairs of letters (value_chance()), words of the key
 * that state another meaning (public, id, url), and the shapes of code, paths, versions and
 * placeholders. */
#include <math.h>

#include "base/among.h"
#include "base/ascii.h"
#include "base/codec/digits.h"
#include "base/effort.h"
#include "base/search.h"
#include "scan/detect/validate/check_value.h"

/* ---- how likely it is that a value was drawn at random ---- */

/* From policies/detectors/letter_pairs.txt: the information of a letter after another, in half
 * bits. */
static const unsigned char letter_pairs[26][26] = {
#include "scan/detect/validate/letter_pairs.inc"
};

enum { LOWER, UPPER, DIGIT, OTHER, CLASSES };

/* The information of a class of characters after another, in bits, in the names of programs. */
static const float class_changes[CLASSES][CLASSES] = {
	/* to:      lower  upper  digit  other */
	[LOWER] = { 0.2f, 3.5f, 4.3f, 3.5f },
	[UPPER] = { 1.5f, 0.6f, 4.3f, 3.0f },
	[DIGIT] = { 3.0f, 3.5f, 0.6f, 2.0f },
	[OTHER] = { 1.2f, 1.5f, 2.0f, 1.5f },
};

static int
chance_class(char c)
{
	return is_lower(c) ? LOWER : is_upper(c) ? UPPER : is_digit(c) ? DIGIT : OTHER;
}

/* Returns the information of `c` after `last` in a name, in bits, if its class `kind` is known.
 * `even` is the information of a character that is drawn from that class. */
static float
bits_in_names(char last, char c, int kind, float even)
{
	/* aaaa, 1234, ABCD: people type such sequences to fill in something. */
	if (chance_class(last) == kind && (c == last || c == last + 1))
		return 1.0f;
	if ((kind == LOWER || kind == UPPER) && is_alpha(last))
		return (float)letter_pairs[to_lower(last) - 'a'][to_lower(c) - 'a'] / 2;
	return even;
}

/* Returns the evidence in bits that the value was drawn at random and is not made of words;
 * below 0 for names. Reads the first 96 characters. Two models give the probability of each
 * character after the previous one. In the first model, the value is a name: its letters come
 * in the pairs that occur in words, and letters, digits and signs seldom alternate. In the
 * second model, each character is drawn independently from the value's own alphabet. The
 * difference of the logarithms is the evidence, in bits. The value needs no digit and no
 * capital letter; a longer value gives more evidence. */
static float
value_chance(struct span s)
{
	enum { ENOUGH = 96 };
	size_t n[CLASSES] = { 0 };
	float share[CLASSES], even[CLASSES], bits = 0;
	bool hex = true;

	s = span_cut(s, 0, ENOUGH);
	effort_add(64 + 4 * s.n);
	for (size_t i = 0; i < s.n; i++) {
		n[chance_class(s.p[i])]++;
		hex &= is_hex(s.p[i]);
	}
	for (int k = 0; k < CLASSES; k++)
		share[k] = n[k] ? -log2f((float)n[k] / (float)s.n) : 0;
	even[LOWER] = even[UPPER] = log2f(hex ? 6 : 26);
	even[DIGIT] = log2f(10);
	even[OTHER] = 1;
	for (size_t i = 1; i < s.n; i++) {
		int from = chance_class(s.p[i - 1]), to = chance_class(s.p[i]);
		bits += class_changes[from][to] + bits_in_names(s.p[i - 1], s.p[i], to, even[to]);
		bits -= share[to] + even[to];
	}
	return bits;
}

/* ---- lists of words ---- */

/* A list of words, sorted by their bytes for in_list(). */
struct word_list {
	const char *const *v;
	size_t n;
};
#define WORD_LIST(name, ...)                                                                   \
	static const char *const name##_words[] = { __VA_ARGS__ };                             \
	static const struct word_list name = { name##_words,                                   \
		sizeof(name##_words) / sizeof(char *) }

/* Lists of words, generated from policies/detectors/key_words.txt. */
#include "scan/detect/validate/key_words.inc"

static bool
in_list(const struct word_list *l, struct span w)
{
	unsigned char first = w.n ? (unsigned char)to_lower(w.p[0]) : 0;

	size_t i = SEARCH_FIRST(l->n, k, (unsigned char)l->v[k][0] < first);
	for (; i < l->n && (unsigned char)l->v[i][0] == first; i++)
		if (span_ieq(w, span_str(l->v[i])))
			return true;
	return false;
}

/* ---- the key ---- */

static bool
is_key_name_char(char c)
{
	return is_letter_or_digit(c) || c == '_' || c == '-' || c == '.';
}

/* Returns the length of the quotation mark, bracket, arrow or other sign of UTF-8 at `at`, or 0
 * if there is none: U+00A0 to U+00BF, U+2000 to U+2BFF, U+3000 to U+303F, and the full-width
 * forms of ASCII's signs. */
static size_t
foreign_sign_at(struct span t, size_t at)
{
	unsigned char c = (unsigned char)t.p[at];
	unsigned char next = at + 1 < t.n ? (unsigned char)t.p[at + 1] : 0;
	unsigned char last = at + 2 < t.n ? (unsigned char)t.p[at + 2] : 0;

	if (next < 0x80)
		return 0;
	if (c == 0xC2)
		return 2;
	if (last < 0x80)
		return 0;
	if ((c == 0xE2 && next < 0xB0) || (c == 0xE3 && next == 0x80))
		return 3;
	return c == 0xEF && next == 0xBC && (last < 0x90 || (last > 0x99 && last < 0xA1)) ? 3 : 0;
}

/* Returns the key's name: the identifier around the beginning of the match. */
static struct span
key_name(const struct candidate *c)
{
	/* particles between a name and its value in Japanese, Chinese and Korean */
	static const char *const particles[] = { "：", "は", "が", "为", "為", "是", "는", "은", "이",
		"가" };
	enum { PARTICLE = 3 }; /* bytes of each */
	size_t from = c->match, to = c->match;

	from = span_back(c->text, from, from > 64 ? from - 64 : 0, is_key_name_char);
	to = span_past(span_cut(c->text, 0, c->start), to, is_key_name_char);
	for (size_t i = from, n; i < to; i += n ? n : 1) {
		n = is_high(c->text.p[i]) ? foreign_sign_at(c->text, i) : 0;
		if (n && i >= c->match)
			to = i;
		else if (n)
			from = i + n;
	}
	/* "API key" as people write it */
	if (to + 4 <= c->start && c->text.p[to] == ' ' &&
		span_ieq(span_of(c->text.p + to + 1, 3), SPAN_LIT("key")))
		to += 4;
	while (to > from && !is_letter_or_digit(c->text.p[to - 1]))
		to--;
	while (to > from + PARTICLE &&
		SPAN_AMONG(span_cut(c->text, from, to), particles, span_ends))
		to -= PARTICLE;
	/* "signing key" and "secret key" too */
	struct span one = span_cut(c->text, from, to);
	if (from > 1 && c->text.p[from - 1] == ' ' && span_ieq(one, SPAN_LIT("key"))) {
		size_t word = span_back(c->text, from - 1, from > 24 ? from - 24 : 0, is_alpha);
		struct span before = span_cut(c->text, word, from - 1);
		if (in_list(&qualifies, before) || in_list(&secrets, before))
			from = word;
	}
	effort_add(32 + to - from);
	return span_cut(c->text, from, to);
}

/* Cuts the last word off an identifier: snake_case, kebab-case, dotted, camelCase. */
static struct span
last_word(struct span *name)
{
	size_t end = name->n;

	while (end && !is_letter_or_digit(name->p[end - 1]))
		end--;
	size_t at = end;
	while (at && is_letter_or_digit(name->p[at - 1])) {
		at--;
		/* secretKey | APIKey: a capital after a small letter, or before one */
		if (at && is_upper(name->p[at]) &&
			(!is_upper(name->p[at - 1]) ||
				(at + 1 < end && is_lower(name->p[at + 1]))))
			break;
	}
	struct span word = span_cut(*name, at, end);
	name->n = at;
	return word;
}

static bool
ends_in_list(const struct word_list *l, struct span w)
{
	return w.n && span_among(span_cut(w, 1, w.n), l->v, l->n, span_iends);
}

/* Returns the first word of an option's value without the option's letter, as in -Dapi-key=…
 * and -PapiKey=…, or an empty span. `before`: the name before the word. */
static struct span
without_option(struct span before, struct span word)
{
	bool option = span_is(before, "-") && is_one_of(word.p[0], "DP");

	return option ? span_cut(word, 1, word.n) : SPAN_LIT("");
}

enum key_kind { KEY_NO, KEY_WEAK, KEY_SECRET, KEY_PASSWORD };

/* Returns the kind of secret that the key's name promises. "key" alone is weak, because any
 * lookup has a key. */
static enum key_kind
key_kind_of(struct span name)
{
	enum key_kind kind = KEY_NO;
	bool last = true, key = false, key_last = false;

	if (span_ieq(name, SPAN_LIT("Sec-WebSocket-Key"))) /* a nonce: RFC 6455 4.1 */
		return KEY_NO;

	effort_add(64 + 4 * name.n);
	for (struct span w; (w = last_word(&name)).n; last = false) {
		effort_add(40);
		if (in_list(&harmless, w) || (last && in_list(&not_the_secret, w)))
			return KEY_NO;
		if (in_list(&passwords, w) || ends_in_list(&password_ends, w))
			kind = kind > KEY_PASSWORD ? kind : KEY_PASSWORD;
		else if (in_list(&secrets, w) || ends_in_list(&secret_ends, w))
			kind = kind > KEY_SECRET ? kind : KEY_SECRET;
		else if (span_ieq(w, SPAN_LIT("key")) || span_ieq(w, SPAN_LIT("keys")))
			key = true, key_last |= last;
		else if (key && kind < KEY_SECRET &&
			 (in_list(&qualifies, w) || in_list(&qualifies, without_option(name, w))))
			kind = KEY_SECRET;
	}
	return kind == KEY_NO && key_last ? KEY_WEAK : kind;
}

/* Returns the name's entry of the memo. */
static struct name_kind *
name_kind_of(struct check_memo *memo, struct span name)
{
	unsigned first = name.n ? (unsigned char)name.p[0] : 0,
		 last = name.n ? (unsigned char)name.p[name.n - 1] : 0;
	struct name_kind *k = &memo->values.names[(name.n + first + 3 * last) % VALUE_NAMES];

	effort_add(8 + name.n / 8);
	if (!k->p || k->n != name.n || (k->p != name.p && memcmp(k->p, name.p, name.n) != 0))
		*k = (struct name_kind){ name.p, name.n, (uint8_t)key_kind_of(name), false, false };
	return k;
}

/* ---- the value ---- */

static bool
is_letters(struct span s)
{
	return s.n > 0 && span_past(s, 0, is_alpha) == s.n;
}

/* Returns true if the case of letters is random: there are adjacent capitals, and single small
 * letters between capitals. camelCase has few of either, and acronyms have no single small
 * letters. */
static bool
random_letters(struct span s)
{
	size_t pairs = 0, singles = 0;

	for (size_t i = 0; i + 2 < s.n; i++) {
		pairs += is_upper(s.p[i]) && is_upper(s.p[i + 1]);
		singles += is_upper(s.p[i]) && is_lower(s.p[i + 1]) && is_upper(s.p[i + 2]);
	}
	return pairs * 10 >= s.n && singles * 12 >= s.n && shannon_entropy(s) >= 3.0f;
}

/* Returns true if a part between dots is no name: long as a token, with letters and digits
 * mixed. */
static bool
is_thrown_part(struct span s)
{
	struct mix m = mix_of(s);

	return s.n >= 16 && m.lower && m.upper && m.other == 0 &&
	       (m.digit ? m.digit > 1 && !value_is_words(s) : random_letters(s));
}

/* Returns true for paths, host names, dotted identifiers, versions and arguments. */
static bool
looks_like_a_path(struct span s)
{
	static const char *const roots[] = { "/home/", "/var/", "/usr/", "/etc/", "/opt/", "/tmp/",
		"/srv/", "/mnt/", "/run/", "/lib/", "/Users/" };
	struct span rest = s;

	if (SPAN_AMONG(s, roots, span_starts))
		return true;
	bool dotted = false, thrown = false;
	while (span_chr(s, '.') < s.n && rest.p) {
		struct span part = span_next(&rest, '.');
		dotted |= part.n <= 20 && (is_letters(part) || mix_of(part).digit == part.n);
		thrown |= is_thrown_part(part);
	}
	if (dotted)
		return !thrown;
	/* default=2048 as an argument */
	size_t equals = span_chr(s, '=');
	size_t name = 0;
	while (name < equals && (is_alpha(s.p[name]) || s.p[name] == '_'))
		name++;
	if (equals + 1 < s.n && equals >= 3 && name == equals)
		return true;
	/* env/cert.p12, packages/core: words, one of which may be short and mixed */
	rest = s;
	size_t parts = 0, words = 0, mixed = 0;
	while (span_chr(s, '/') < s.n && rest.p) {
		struct span part = span_next(&rest, '/');
		parts++;
		words += part.n <= 16 && is_letters(part) && !random_letters(part);
		mixed += part.n > 12 && !is_letters(part);
	}
	return parts > 1 && words * 2 >= parts && !mixed;
}

/* ./db.pass2, /run/secrets/pw1, C:\\keys\\1.txt, 1.2.3, certs/pass.p12 */
static bool
is_file_name(struct span s, struct mix m)
{
	static const char *const ends[] = { ".txt", ".pem", ".key", ".crt", ".json", ".yml",
		".yaml", ".conf", ".env", ".js", ".ts", ".py", ".php", ".html", ".md",
		".properties", ".xml", ".p12", ".gpg", ".sh", ".com", ".org", ".net", ".io" };

	if (SPAN_AMONG(span_cut(s, 1, s.n), ends, span_ends))
		return true;
	if (m.lower + m.upper <= 1 && span_chr(s, '.') < s.n) /* v1.2.3 */
		return true;
	if (span_chr(s, '/') == s.n)
		return false;
	return span_starts(s, SPAN_LIT("./")) || span_starts(s, SPAN_LIT("../")) ||
	       span_starts(s, SPAN_LIT("~/")) || looks_like_a_path(s);
}

/* Returns true for complete groups of base64 that are too mixed to be a path; '/' is then a
 * digit. */
static bool
is_base64_blob(struct span s, struct mix m)
{
	size_t slashes = 0;

	if (s.n < 40 || s.n % 4 || m.digit <= 2 || m.upper <= 4 || m.lower <= 4)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (value64(s.p[i]) < 0 && s.p[i] != '=')
			return false;
		slashes += s.p[i] == '/';
	}
	return slashes * 12 <= s.n;
}

/* Returns true for words that are joined by - or _: NEXUS-GPT4-API-KEY, prod-eu-west1. */
static bool
looks_like_a_name(struct span s)
{
	enum { PART_MAX = 14 };
	size_t parts = 0, at = 0;

	effort_add(2 * s.n);
	for (size_t i = 0; i <= s.n; i++) {
		size_t n = i - at;
		if (i < s.n && s.p[i] != '-' && s.p[i] != '_' && s.p[i] != ':') {
			if (n >= PART_MAX)
				return false;
			continue;
		}
		struct mix m = mix_of(span_cut(s, at, i));
		/* letters of one case, followed by digits, are a word with its number */
		bool digits_last = true;
		for (size_t k = at + 1; k < i; k++)
			if (is_digit(s.p[k - 1]) && !is_digit(s.p[k]))
				digits_last = false;
		bool one_case =
			m.lower == 0 || m.upper == 0 || (m.upper == 1 && is_upper(s.p[at]));
		if (n && (n > PART_MAX || !(digits_last || n <= 3) || !one_case ||
				 (m.digit > 4 && m.digit < n)))
			return false;
		parts += n > 0;
		at = i + 1;
	}
	return parts > 1;
}

/* Returns the length of an ascending sequence ("ABC…xyz0123456789") or of a repeated byte, or 0. */
static size_t
sequence_begins(struct span rest)
{
	enum { ASCENDING = 10, SAME = 8 };
	size_t next = 1, same = 1;

	while (next < rest.n && next < ASCENDING && rest.p[next] == rest.p[next - 1] + 1)
		next++;
	while (same < rest.n && same < SAME && rest.p[same] == rest.p[0])
		same++;
	return next == ASCENDING ? next : same == SAME ? same : 0;
}

static bool
is_sequence(const struct candidate *c, struct span s)
{
	return value_holds(&c->memo->values.sequence, c->text, s, sequence_begins);
}

/* Returns true if the value after a secret's key is something else: a template, a placeholder,
 * a sequence, code. */
static bool
is_no_secret(const struct candidate *c, const struct value *v, bool thrown)
{
	effort_add(64 + v->s.n / 2);
	return v->s.n == 0 || value_is_template(v->s) || candidate_is_placeholder(c, v->s) ||
	       is_sequence(c, v->s) || !value_is_assigned(c, v) ||
	       (!thrown && value_is_code(c, v));
}

/* Returns true if letters of one case and digits alternate as they do in random values only. For
 * hexadecimal digits that suffices. Names of programs have one or two numbers inside, as in
 * scryptsalsa208sha256, and pairs of letters that are far from chance. `chance`: value_chance(s). */
static bool
alternates(struct span s, struct mix m, float entropy, float chance)
{
	enum { LEAST = 20, CHANGES = 4, OF_EACH = 3, NAME = -8 };
	size_t changes = 0;

	if (m.other || m.foreign || (m.lower && m.upper) || m.digit < OF_EACH ||
		m.lower + m.upper < OF_EACH || (s.n >= LEAST && entropy < 3.0f))
		return false;
	effort_add(s.n);
	for (size_t i = 1; i < s.n; i++)
		changes += is_digit(s.p[i]) != is_digit(s.p[i - 1]);
	return changes >= CHANGES &&
	       (span_all(s, is_hex) || (s.n >= LEAST && chance >= NAME));
}

enum { DRAWN_LEAST = 15 }; /* characters of a value that shows that it was drawn by chance */

/* Returns true if the value was drawn by chance and is long enough to show that. It then is no
 * word, name or path, even if it lacks some classes of characters. Signs also join names, so a
 * value with signs needs more evidence. `least`: bits of evidence (value_chance()) that the
 * caller needs. */
static bool
is_drawn_by_chance(struct span s, struct mix m, float bits, float least)
{
	enum { LEAST = 15, SURE = 4, SIGNS = 14, SIGNS_IN_MIXED = 6 };
	bool mixed = m.digit > 1 && m.upper > 1 && m.lower > 1;
	float sure = !m.other ? SURE : mixed ? SIGNS_IN_MIXED : SIGNS;

	if (s.n < LEAST || bits < 2.4f || m.foreign || !span_is_alnum(s, "_-+/=.!@#%^&*?"))
		return false;
	float chance = value_chance(s);
	return chance >= (least > sure ? least : sure) || alternates(s, m, bits, chance);
}

/* Returns true if the key may belong to the value. In set("token", "…") and setToken("…"), the
 * last word of the key must name a secret. */
static bool
key_fits(const struct candidate *c, const struct value *v, struct span name)
{
	if (c->whole || (v->sep != ',' && v->sep != '('))
		return true;
	struct span w = last_word(&name);
	return in_list(&secrets, w) || in_list(&passwords, w) ||
	       ends_in_list(&password_ends, w) || ends_in_list(&secret_ends, w) ||
	       span_ieq(w, SPAN_LIT("key"));
}

/* Returns true if the key promises more than "token" or "key". A UUID is usually an identifier,
 * and a secret only after such a key. */
static bool
key_says_more(struct span name)
{
	bool qualified = false, secret = false, word = false, held = false, owned = false;
	bool session = false; /* session_token is often an id, session_secret is not */

	for (struct span w; (w = last_word(&name)).n;) {
		session |= span_ieq(w, SPAN_LIT("session"));
		secret |= span_ieq(w, SPAN_LIT("secret")) || in_list(&passwords, w) ||
			  (span_some(w, is_high) &&
				  (in_list(&secrets, w) || ends_in_list(&secret_ends, w))) ||
			  span_ieq(w, SPAN_LIT("apikey")) || span_ieq(w, SPAN_LIT("accesskey"));
		bool token = span_ieq(w, SPAN_LIT("token"));
		word |= token || span_ieq(w, SPAN_LIT("key"));
		/* private_token, SERVICE_TOKEN, X-Vault-Token; not service_key */
		held |= token;
		owned |= in_list(&qualifies, w) || span_ieq(w, SPAN_LIT("vault"));
		qualified |= span_ieq(w, SPAN_LIT("api")) || span_ieq(w, SPAN_LIT("access")) ||
			     span_ieq(w, SPAN_LIT("auth")) || span_ieq(w, SPAN_LIT("refresh"));
	}
	return secret || (!session && ((word && qualified) || (held && owned)));
}

/* Returns true for a harmless word between the key and the verb: "RSA key fingerprint is …",
 * "the token hash was …". */
static bool
told_as_harmless(const struct candidate *c, const struct value *v)
{
	struct span words = span_cut(c->text, c->match, c->start);

	if (v->sep != 's' || c->whole)
		return false;
	for (struct span w; (w = last_word(&words)).n;)
		if (in_list(&harmless, w))
			return true;
	return false;
}

/* Returns true for a regular expression or a Windows path: token = "[a-z]+\\w", key = "a\\b\\c" */
static bool
is_pattern(struct span s)
{
	static const char *const signs[] = { "[a-", "[^", "(?", "\\x", "A-Za-z", "a-zA-Z" };
	size_t first = span_chr(s, '\\');

	return SPAN_AMONG(s, signs, span_holds) ||
	       (first < s.n && span_chr(span_cut(s, first + 1, s.n), '\\') < s.n - first - 1);
}

/* Returns true for a public key in DER and base64 (RFC 5280 4.1, SubjectPublicKeyInfo), and for
 * other values that a protocol sends in public. */
static bool
is_public_key(struct span s)
{
	static const char *const begins[] = { "MIIBIjANBgkqhki", "MIICIjANBgkqhki",
		"MIGfMA0GCSqGSIb3", "MFkwEwYHKoZIzj0", "MCowBQYDK2Vw", "ssh-rsa",
		"ssh-ed25519", "AAAAB3NzaC1", "AAAAC3NzaC1", "AAAAE2VjZHNh" };

	/* the scope of an AWS signature: ID/20260101/us-east-1/s3/aws4_request */
	return SPAN_AMONG(s, begins, span_starts) || value_is_public_pem(s) ||
	       span_ends(s, SPAN_LIT("4_request"));
}

static bool
is_not_equals(char c)
{
	return c != '=';
}

/* Returns true for the name of a variable, as before "=". A part of a value that was drawn by
 * chance is no name. */
static bool
is_variable_name(struct span s)
{
	struct mix m = mix_of(s);
	bool drawn = s.n >= DRAWN_LEAST && is_drawn_by_chance(s, m, shannon_entropy(s), 0) &&
		     !looks_like_a_name(s);

	return s.n && !is_digit(s.p[0]) && span_all(s, is_key_name_char) && !drawn;
}

/* Returns the offset behind the last "NAME=" in [from, to), or `from`. The name of a variable is
 * no part of its value, even if the value belongs to a name on an earlier line. */
static size_t
past_variable(struct span text, size_t from, size_t to)
{
	size_t end = span_back(text, to, from, is_not_equals);

	return end > from && is_variable_name(span_cut(text, from, end - 1)) ? end : from;
}

/* Returns true if the key has no value, and what was read is the next line: NAME=value. */
static bool
is_next_variable(const struct candidate *c, struct span s)
{
	size_t at = span_chr(s, '=');
	struct span name = span_cut(s, 0, at), rest = span_cut(s, at, s.n);

	if (at == s.n || c->start <= c->match ||
		!memchr(c->text.p + c->match, '\n', c->start - c->match))
		return false;
	bool colon = span_ends(name, SPAN_LIT(":"));
	name = span_cut(name, 0, at - colon);
	return is_variable_name(name) && (colon || span_past_set(rest, 0, "=") < rest.n);
}

/* Judges the value that was read after the key at c->match. */
static enum check_result
generic_value(struct candidate *c, struct value v)
{
	struct span s = v.s;
	struct value_memo *values = &c->memo->values;

	/* The cheap questions first: most candidates end here. */
	if (s.n < 10 || is_next_variable(c, s))
		return CHECK_NO;
	struct mix m = value_counts(values, s);
	if (m.lower + m.upper == 0)
		return CHECK_NO;
	float bits = value_entropy(values, s);
	struct span name = key_name(c);
	enum key_kind key = (enum key_kind)name_kind_of(c->memo, name)->kind;
	if (key == KEY_NO || !key_fits(c, &v, name))
		return CHECK_NO;
	if (key == KEY_WEAK && (m.digit < 2 || bits < 3.6f || s.n < 16 ||
				       value_has_any(values, s, "\\{}<>;,|&()[]*")))
		return CHECK_NO;
	if (!v.quoted && value_has_any(values, s, "(["))
		return CHECK_NO;
	bool thrown = key != KEY_WEAK && is_drawn_by_chance(s, m, bits, 0);
	if (!thrown && m.digit == 0 && (s.n < 20 || !random_letters(s)))
		return CHECK_NO;
	/* a hexadecimal value has at most 4 bits per byte, so a long one needs fewer */
	if (!thrown && bits < 3.5f && !(s.n >= 32 && bits >= 3.0f))
		return CHECK_NO;
	if (is_no_secret(c, &v, thrown))
		return CHECK_NO;
	if (span_ieq(s, name)) /* oauth2Token: Oauth2Token */
		return CHECK_NO;
	if (!thrown && (looks_like_a_name(s) || value_is_words(s)))
		return CHECK_NO;
	if (!thrown && !is_base64_blob(s, m) && looks_like_a_path(s))
		return CHECK_NO;
	if (is_pattern(s) || is_public_key(s))
		return CHECK_NO;
	if ((value_is_uuid(s) && !key_says_more(name)) || told_as_harmless(c, &v))
		return CHECK_NO;
	return CHECK_SHAPE;
}

static enum check_result
check_generic(struct candidate *c)
{
	return generic_value(c, value_read(c));
}

/* Returns true if a harmless word is between a key and its value, as in token = sha256("…"). */
static bool
is_of_a_harmless_word(struct span between)
{
	for (struct span w; (w = last_word(&between)).n;)
		if (in_list(&harmless, w))
			return true;
	return false;
}

/* Cuts the word before `at` off the line. Returns an empty span if there is none within 24
 * bytes. */
static struct span
word_in_front(struct span text, size_t at)
{
	enum { WORD = 24 };

	if (at < 2 || text.p[at - 1] != ' ')
		return SPAN_LIT("");
	return span_cut(text, span_back(text, at - 1, at > WORD ? at - WORD : 0, is_alpha), at - 1);
}

/* Returns true if a name in a sentence promises a secret. `both` is the name with the word
 * before it: "refresh token", "client secret". "The secret jq2k… was created" is an object with
 * an id, so that "secret" needs a noun before it. */
static bool
promises_in_prose(struct span name, struct span both, bool hex)
{
	static const char *const no_nouns[] = { "", "a", "an", "the", "this", "that", "its", "their",
		"my", "our", "your", "new", "old", "docker", "kubernetes", "swarm", "den", "das",
		"der", "die", "ein", "le", "un", "el", "il", "o", "to" };
	struct span before = both;

	if (span_ieq(name, SPAN_LIT("secret")) &&
		SPAN_AMONG(span_next(&before, ' '), no_nouns, span_ieq))
		return false;
	return key_says_more(both) || (!hex && span_chr(name, ' ') < name.n); /* "encryption key" */
}

/* Returns true if the name is a noun of a sentence, such as "the client secret". A title of a
 * change has no article: "Refactor access token 9f86d0…". */
static bool
has_article(struct span text, struct span both)
{
	static const char *const articles[] = { "the", "my", "our", "your", "their", "this", "with",
		"using", "den", "das", "dem", "mein", "unser", "le", "mon", "notre", "el", "mi",
		"nuestro", "il", "mio", "o", "meu", "de", "het", "mijn" };

	return SPAN_AMONG(word_in_front(text, (size_t)(both.p - text.p)), articles, span_ieq);
}

/* Returns true if one of the next words on the line is harmless: "… is the public key", "…
 * version id". */
static bool
harmless_follows(struct span text, size_t at)
{
	enum { WORDS = 5, AFTER = 64 };
	struct span after = span_cut(text, at, at + AFTER);

	after = span_cut(after, 0, span_chr(after, '\n'));
	for (int i = 0; i < WORDS && after.n; i++) {
		struct span w = span_trim(span_next(&after, ' '), ".,;:()");
		if (in_list(&harmless, w) || span_ieq(w, SPAN_LIT("id")))
			return true;
	}
	return false;
}

static bool
is_argument_char(char c)
{
	return !is_space(c);
}

/* Returns true if the name is in the first or second argument of a verb: "redis-cli SET api_key
 * …", "dict set cfg api_key …", "set-header X-Token …", "npm config set //registry/:token …". */
static bool
is_set_by_command(struct span text, size_t at)
{
	static const char *const verbs[] = { "set", "put", "set-header", "add-header" };
	enum { VERB = 16, ARGUMENT = 64, ARGUMENTS = 2 };

	at = span_back(text, at, at > ARGUMENT ? at - ARGUMENT : 0, is_argument_char);
	for (int i = 0; i < ARGUMENTS; i++) {
		if (at < 2 || text.p[at - 1] != ' ')
			return false;
		size_t from = span_back(text, at - 1, at > VERB ? at - VERB : 0, is_argument_char);
		if (SPAN_AMONG(span_cut(text, from, at - 1), verbs, span_ieq))
			return true;
		at = from;
	}
	return false;
}

/* Returns true if the name and the value are one literal: line="api_key …". */
static bool
is_quoted_pair(struct span text, size_t from, size_t end)
{
	return from && end < text.n && is_quote(text.p[from - 1]) &&
	       text.p[end] == text.p[from - 1];
}

/* Returns true if the name is the first cell of a table's row: "| name | value |". */
static bool
is_first_cell(struct span text, size_t at, struct span between)
{
	return at > 1 && text.p[at - 1] == ' ' && text.p[at - 2] == '|' &&
	       (at == 2 || text.p[at - 3] == '\n') && span_chr(between, '|') < between.n;
}

enum { SHA1 = 40, SHA256 = 64 }; /* hexadecimal digits of a digest */

/* Returns true if a value in prose is a hash or an id. Change logs, lists and prose have them
 * after words such as "key", with a space, ( or | between: "Refactor auth 3f786850e3…",
 * "signing key 4AEE18F83AFDEB23", "SPL token EPjF…". A secret needs a name there that promises
 * more, and a commit of git is no key. A tab after a name at the beginning of its line
 * separates two fields. */
static bool
is_id_in_prose(struct span text, struct span name, struct span value)
{
	size_t from = (size_t)(name.p - text.p), end = (size_t)(value.p - text.p) + value.n;
	struct span between = span_cut(text, from + name.n, (size_t)(value.p - text.p));
	bool bare = true, option = name.p[0] == '-', hex = span_all(value, is_hex);
	bool joined = (from == 0 || text.p[from - 1] == '\n') && between.n == 1 &&
		      between.p[0] == '\t';
	bool identifier = false;

	for (size_t i = 0; i < between.n; i++)
		bare &= is_one_of(between.p[i], " \t(|-");
	for (size_t i = 1; i < name.n; i++)
		identifier |= is_one_of(name.p[i], "_-.") ||
			      (is_upper(name.p[i]) && is_lower(name.p[i - 1]));
	struct span word = word_in_front(text, from),
		    both = span_cut(text, word.n ? (size_t)(word.p - text.p) : from, from + name.n);
	bool said = between.n == 1 && key_says_more(both) &&
		    (has_article(text, both) ||
			    (span_chr(name, ' ') < name.n && has_article(text, name)));
	bool given = is_set_by_command(text, from) || is_quoted_pair(text, from, end) || said;
	bool cell = is_first_cell(text, from, between);
	joined |= identifier || given || cell || promises_in_prose(name, both, hex);
	bool commit = hex && !given && !(cell && identifier) &&
		      (value.n == SHA1 || (value.n == SHA256 && !identifier));
	return bare && !option && (!joined || commit || harmless_follows(text, end));
}

/* ---- a value near its name, in any syntax ---- */

static bool
is_token_char(char c)
{
	return is_alnum(c) || is_one_of(c, "_-+/");
}

/* Returns true if a token with slashes is base64 and no path. */
static bool
is_of_base64(struct span s)
{
	struct mix m = mix_of(s);

	return m.lower && m.upper && m.digit && span_chr(s, '_') == s.n && span_chr(s, '-') == s.n;
}

/* Returns true if a token was drawn by chance. Identifiers of programs have several capitals and
 * short words too, so the evidence must grow with the token's length. */
static bool
is_drawn_token(struct span text, size_t at, struct span s)
{
	if (s.n < DRAWN_LEAST)
		return false;
	struct mix m = mix_of(s);
	bool quoted = at && is_quote(text.p[at - 1]);
	bool digits = m.digit * 12 > s.n || (m.digit && s.n < 20) || m.other;
	float least = (float)s.n / (digits ? 5 : quoted ? 4 : 2);
	return m.lower + m.upper > 0 && is_drawn_by_chance(s, m, shannon_entropy(s), least) &&
	       !looks_like_a_name(s) && !looks_like_a_path(s);
}

/* Returns the first token in [from, to) of the text that was drawn by chance, or an empty span. A
 * token is read as base64 first, then up to its next slash. The memo makes each byte be read once,
 * however many names are before it. */
static struct span
next_drawn(struct drawn_place *d, struct span text, size_t from, size_t to)
{
	enum { TOKEN_MAX = 256 };
	const char *begin = text.p + from;

	if (!d->from || begin < d->from || begin > d->to)
		*d = (struct drawn_place){ .from = begin, .to = begin };
	size_t at = (size_t)(d->to - text.p);
	while (!d->start && at < to) {
		struct span run = span_cut(text, at, at + TOKEN_MAX);
		run = span_cut(run, 0, span_past(run, 0, is_token_char));
		if (run.n < DRAWN_LEAST) {
			effort_add(1 + run.n);
			at += run.n + 1;
			continue;
		}
		struct span part = span_cut(run, 0, span_chr(run, '/'));
		bool base64 = part.n == run.n || is_of_base64(run);
		bool whole = base64 && is_drawn_token(text, at, run);
		effort_add(4 + 2 * run.n);
		if (whole || (part.n < run.n && is_drawn_token(text, at, part))) {
			struct span s = whole ? run : part;
			d->start = s.p;
			d->end = s.p + s.n;
		} else {
			at += part.n + 1;
		}
	}
	d->to = text.p + at;
	if (!d->start || d->start >= text.p + to)
		return SPAN_LIT("");
	return span_of(d->start, (size_t)(d->end - d->start));
}

/* The text between a name and its value: its words, those without short ones such as "is", "de"
 * and "the", and its line ends. A word has a space before it and none but letters. */
struct distance {
	size_t all, words, lines;
	bool sentences; /* a sentence ends in the text */
};

static struct distance
distance_of(struct span between)
{
	enum { SHORT = 3 };
	struct distance d = { 0 };

	for (size_t i = 1; i < between.n; i++) {
		d.lines += between.p[i] == '\n';
		if (between.p[i - 1] != ' ' || !is_letter_or_digit(between.p[i]))
			continue;
		d.sentences |= i > 1 && is_one_of(between.p[i - 2], ".!?") && is_upper(between.p[i]);
		size_t end = span_past(between, i, is_letter_or_digit);
		bool whole = end == between.n || is_one_of(between.p[end], " ,.;\r\n");
		d.words += whole && (end - i > SHORT || is_digit(between.p[i]));
		d.all += whole;
	}
	return d;
}

/* Returns true if a value is too far from the name, whatever text follows. */
static bool
is_too_far(struct distance d)
{
	enum { LINES = 3, WORDS = 4, WEIGHT = 6 };

	/* A short word weighs half. */
	return d.sentences || d.lines > LINES || (d.all > WORDS && d.all + d.words > WEIGHT);
}

static bool
parts_members(char c)
{
	return is_one_of(c, "=:,;{}[]|&(");
}

static bool
ends_type(char c)
{
	return is_one_of(c, "=,;{}()|&\"'\n");
}

/* Returns true for the type of a declaration before the value: ": []const u8 = ". */
static bool
is_type(struct span between)
{
	size_t end = span_back_set(between, between.n, 0, " \"'`");

	return between.n && between.p[0] == ':' && end > 2 && between.p[end - 1] == '=' &&
	       between.p[end - 2] == ' ' && end < between.n && between.p[end] == ' ' &&
	       !span_some(span_cut(between, 1, end - 1), ends_type);
}

/* Returns the name of its own that the value has between the secret's name and the value, as in
 * token="…" user="…", or an empty span. */
static struct span
own_name(struct span between)
{
	size_t end = span_back_set(between, between.n, 0, " \t\r\n\"'`(<[{@\\$*_|!-+&");

	if (end && between.p[end - 1] == '>')
		end--;
	if (end == 0 || !is_one_of(between.p[end - 1], "=:") || is_type(between))
		return SPAN_LIT("");
	end = span_back_set(between, end, 0, "=:> \t\"'`*?\\");
	size_t from = span_back(between, end, 0, is_key_name_char);
	struct span own = span_cut(between, from, end);
	if (own.n <= 1 || !span_some(span_cut(between, 0, from), parts_members))
		return SPAN_LIT("");
	return own;
}

/* Returns true if the value belongs to another name. Names such as `value` and `default` are
 * none: {"name": "token", "value": "…"}. */
static bool
has_other_name(struct span own)
{
	struct span w = last_word(&own);

	return w.n && !in_list(&value_names, w) && !in_list(&secrets, w) && !in_list(&passwords, w);
}

/* Returns true if a line ends in a colon directly before the value: "has been created:". */
static bool
is_introduced(struct span between)
{
	size_t end = span_back(between, between.n, 0, is_space);

	return end && between.p[end - 1] == ':' &&
	       span_chr(span_cut(between, end, between.n), '\n') < between.n - end;
}

/* Returns true if the value is not in the name's line or the next one, and words stand between
 * them that neither introduce it nor are members of the name: "Key:\n  Type: String\n
 * Default: …". */
static bool
is_apart(struct distance d, struct span between, struct span own)
{
	size_t sign = span_past_set(between, 0, " \"'`");
	bool member = own.n && sign < between.n && is_one_of(between.p[sign], "=:");

	return d.lines > 1 && d.all > 0 && !member && !is_introduced(between);
}

/* Returns true if only signs, an option of a command, or the dash of a list's item separate a
 * name from its value: "keys:\n  - …", "--name /shop/api_key --value …". */
static bool
is_item_or_argument(struct span between)
{
	size_t end = span_back_set(between, between.n, 0, " ");

	if (end && between.p[end - 1] == '-') {
		end = span_back_set(between, end - 1, 0, " \t\r\n");
		return end && between.p[end - 1] == ':';
	}
	for (size_t i = 1; i + 1 < between.n; i++)
		if (between.p[i - 1] == ' ' && between.p[i] == '-' &&
			(is_alpha(between.p[i + 1]) || between.p[i + 1] == '-'))
			return span_chr(between, '\n') == between.n;
	return false;
}

/* Returns true for a sign beyond ASCII directly before `at`: “, «, 「, →. */
static bool
is_foreign_sign_before(struct span t, size_t at)
{
	return (at > 2 && foreign_sign_at(t, at - 3) == 3) ||
	       (at > 1 && foreign_sign_at(t, at - 2) == 2);
}

/* Returns true if the value has the length and the digits of SHA-1 or SHA-256 in hexadecimal. */
static bool
is_hex_digest(struct span s)
{
	return (s.n == SHA1 || s.n == SHA256) && span_all(s, is_hex);
}

/* Returns true if a value is a digest: behind words, that many hexadecimal digits are a secret
 * only in quotes, after a sign, or directly behind a name that promises more than "token". */
static bool
is_bare_digest(struct span text, struct span name, struct span s)
{
	size_t from = (size_t)(name.p - text.p), start = (size_t)(s.p - text.p);
	struct span between = span_cut(text, from + name.n, start), word = word_in_front(text, from);
	size_t sign = span_back_set(between, between.n, 0, " ");

	if (!is_hex_digest(s) || sign == 0 ||
		is_one_of(between.p[sign - 1], "=:\"'`>|<([{") || is_item_or_argument(between) ||
		is_foreign_sign_before(between, sign) ||
		is_quoted_pair(text, from, start + s.n))
		return false;
	size_t first = word.n ? (size_t)(word.p - text.p) : from;
	return span_some(between, is_alpha) || span_chr(between, '/') < between.n ||
	       !key_says_more(span_cut(text, first, from + name.n));
}

/* Returns true if a file's ending follows: main.3f786850e387550fdab8.js. */
static bool
is_in_file_name(struct span text, size_t end)
{
	enum { LONGEST = 4 };
	size_t last = end < text.n && text.p[end] == '.' ? span_past(text, end + 1, is_alpha) : end;

	return last > end + 1 && last - end - 1 <= LONGEST &&
	       (last == text.n || !is_key_name_char(text.p[last]));
}

static bool
is_blob_char(char c)
{
	return is_alnum(c) || is_one_of(c, "_-+/.=");
}

/* Returns true if a value in any syntax may follow a name of this kind. A line of base64 holds
 * names by chance. */
static bool
may_be_near(struct span name, enum key_kind kind)
{
	enum { BARE = 3, LONGEST = 64 }; /* key, pwd; a longer name is a list */

	return name.n && name.n <= LONGEST && (name.n > BARE || is_high(name.p[0])) &&
	       kind >= KEY_SECRET && !is_drawn_by_chance(name, mix_of(name), shannon_entropy(name), 0);
}

/* Returns the same from the memo: apikeykeykey holds three names that are one. */
static bool
name_is_near(struct check_memo *memo, struct span name)
{
	struct name_kind *k = name_kind_of(memo, name);

	if (!k->near_known) {
		k->near = may_be_near(name, (enum key_kind)k->kind);
		k->near_known = true;
	}
	return k->near;
}

/* Returns true for the call that types a value into a field: get("#password").type("…"). */
static bool
is_typed(struct span between)
{
	size_t end = span_back_set(between, between.n, 0, " \"'`");

	return span_ends(span_cut(between, 0, end), SPAN_LIT(".type("));
}

/* Returns true if a word before the value states another meaning: "the token for user …", "commit
 * …", sha256(…). */
static bool
is_of_another_kind(struct span between)
{
	struct span words = between;

	return is_of_a_harmless_word(between) ||
	       (in_list(&not_the_secret, last_word(&words)) && !is_typed(between) &&
		       !is_introduced(between));
}

/* Returns true for the checksum of a Go module (h1:…) and for a commit to which a dependency is pinned
 * (name@…). */
static bool
is_public_sum(struct span text, size_t at)
{
	enum { COMMIT = 40 };

	return (at > 2 && !memcmp(text.p + at - 3, "h1:", 3)) ||
	       (at > 0 && text.p[at - 1] == '@' && text.n - at >= COMMIT &&
		       span_all(span_cut(text, at, at + COMMIT), is_hex));
}

/* A value that was surely drawn by chance belongs to the name of a secret before it, whatever the
 * language writes between the two: a space, a comma, an arrow, a call, some words. */
static enum check_result
check_chance(struct candidate *c)
{
	enum { VALUE_MAX = 512 }; /* bytes */
	struct span text = c->text, name = key_name(c);
	size_t from = (size_t)(name.p - text.p) + name.n;

	if (from >= c->end || !name_is_near(c->memo, name))
		return CHECK_NO;
	struct span s = next_drawn(&c->memo->values.drawn, text, from, c->end);
	if (s.n == 0)
		return CHECK_NO;
	size_t start = (size_t)(s.p - text.p), end = start + s.n;
	struct span between = span_cut(text, from, start);
	/* -----BEGIN PRIVATE KEY----- (RFC 7468), ---- BEGIN SSH2 PRIVATE KEY ---- (RFC 4716) */
	if (span_starts(span_trim(between, " "), SPAN_LIT("----")))
		return CHECK_NO;
	struct distance distance = distance_of(between);
	struct span own = own_name(between);
	if (is_too_far(distance) || has_other_name(own) || is_apart(distance, between, own) ||
		is_of_another_kind(between))
		return CHECK_NO;
	if (is_bare_digest(text, name, s) || is_in_file_name(text, end) || is_id_in_prose(text, name, s))
		return CHECK_NO;
	c->start = span_back(text, start, from, is_blob_char);
	c->start = past_variable(text, c->start, start);
	c->start = span_past_set(span_cut(text, 0, start), c->start, "=/.-+_");
	end = span_past(span_cut(text, 0, end + VALUE_MAX), end, is_blob_char);
	c->end = span_back_set(text, end, start, ".");
	s = span_cut(text, c->start, c->end);
	if (value_is_template(s) || candidate_is_placeholder(c, s) || is_sequence(c, s) ||
		is_public_sum(text, c->start) || is_public_key(s) || span_ieq(s, name) || (value_is_uuid(s) && !key_says_more(name)))
		return CHECK_NO;
	return CHECK_SHAPE;
}

/* Returns true if the text names a secret and no harmless thing. The last word decides what the
 * thing is: "the token id". */
static bool
names_a_secret(const struct candidate *c, size_t from, size_t to)
{
	struct span words = span_cut(c->text, from, to);
	bool found = false;

	effort_add(to - from);
	if (is_of_a_harmless_word(words) || in_list(&not_the_secret, last_word(&words)))
		return false;
	for (size_t i = from; i < to && !found; i++) {
		struct candidate name = { .text = span_cut(c->text, 0, to), .match = i, .start = to };
		if (!is_letter_or_digit(c->text.p[i]))
			continue;
		found = key_kind_of(key_name(&name)) >= KEY_SECRET;
		i = span_past(name.text, i, is_key_name_char);
	}
	return found;
}

/* Finds a value before its name: "use … as your API key", {"value": "…", "name": "API_KEY"}. The
 * candidate extends from the value to the end of the name. */
static enum check_result
check_before(struct candidate *c)
{
	struct span text = span_cut(c->text, 0, c->end);
	size_t end = span_back_set(text, span_past(text, c->start, is_blob_char), c->start, ".");
	struct span s = span_cut(text, c->start, end);
	bool quoted = end < text.n && is_quote(text.p[end]);

	if (!is_drawn_token(text, c->start, s) || !names_a_secret(c, end, c->end) ||
		(!quoted && is_hex_digest(s)))
		return CHECK_NO;
	c->end = end;
	if (value_is_template(s) || candidate_is_placeholder(c, s) || is_sequence(c, s) ||
		is_public_key(s) || value_is_uuid(s))
		return CHECK_NO;
	return CHECK_SHAPE;
}

/* Returns true if no further text can be a value of the name at c->match for check_chance():
 * the name names no secret, or too many words follow it. */
static bool
chance_is_over(const struct candidate *c)
{
	struct drawn_place none = { 0 };
	struct span text = c->text, name = key_name(c);
	size_t from = (size_t)(name.p - text.p) + name.n, end = text.n;

	if (from >= end || is_key_name_char(text.p[from]))
		return false;
	if (!may_be_near(name, key_kind_of(name)))
		return true;
	end = span_back(text, end, from, is_token_char);
	return is_too_far(distance_of(span_cut(text, from, end))) &&
	       next_drawn(&none, text, from, end).n == 0;
}

/* Sets c->match to the last key before `at` on the line that names a secret and has a separator
 * after it, as in token = a ? "A" : "B". Returns false if there is none. */
static bool
find_key_on_line(struct candidate *c, size_t at)
{
	enum { BACK = 96 }; /* a stream keeps as much before a value */
	size_t least = at > BACK ? at - BACK : 0;

	effort_add(BACK);
	for (; at > least && !is_one_of(c->text.p[at - 1], "\n;{}"); at--) {
		if (!is_one_of(c->text.p[at - 1], "=:"))
			continue;
		size_t end = span_back_set(c->text, at, least, "=: \t\"'?]");
		if (end <= least || !is_key_name_char(c->text.p[end - 1]))
			continue;
		c->match = end - 1;
		if (name_kind_of(c->memo, key_name(c))->kind >= KEY_SECRET)
			return true;
	}
	return false;
}

/* The second of two alternatives: 'A' | 'B', env.TOKEN || "B". */
static enum check_result
check_alternative(struct candidate *c)
{
	size_t match = c->match;
	struct value v = value_read(c);

	if (!v.quoted || v.s.n < 10 || !find_key_on_line(c, match)) {
		c->match = match;
		return CHECK_NO;
	}
	v.sep = '=';
	enum check_result result = generic_value(c, v);
	c->match = match;
	return result;
}

/* The vendor's name and the value's exact shape replace the test for randomness. The key must
 * not name something else (algolia_index_name, datadog_public_id). */
static enum check_result
check_vendor(struct candidate *c)
{
	struct span s = span_cut(c->text, c->start, c->end), name = key_name(c);
	bool last = true;

	for (struct span w; (w = last_word(&name)).n; last = false)
		if (in_list(&harmless, w) || (last && in_list(&not_the_secret, w)))
			return CHECK_NO;
	/* Names have no digits: searchConfluenceUsingCql. */
	if (!span_some(s, is_digit))
		return CHECK_NO;
	if (token_is_placeholder(s) || is_sequence(c, s) || candidate_is_placeholder(c, s) ||
		looks_like_a_name(s))
		return CHECK_NO;
	return shannon_entropy(s) < 2.5f ? CHECK_NO : CHECK_SHAPE;
}

/* Returns true for a value without digits, or of few classes, that is no word: random letters,
 * or several signs between letters. The brackets of a command's short form do not count: pw[d]. */
static bool
is_no_word(const struct candidate *c, struct span s, struct mix m)
{
	enum { LEAST = 6, SIGNS = 2 };

	return m.foreign == 0 && (m.other == 0 || m.other >= SIGNS) &&
	       !value_has_any(&c->memo->values, s, "_-[") && value_chance(s) >= LEAST;
}

/* Finds passwords that people chose: shorter and less random, but after a word that leaves no
 * doubt. */
static enum check_result
check_password(struct candidate *c)
{
	struct value v = value_read(c);
	struct span s = v.s;
	struct mix m = value_counts(&c->memo->values, s);
	int classes = (m.lower > 0) + (m.upper > 0) + (m.digit > 0) + (m.other > 0);

	if (s.n < 6 || m.lower + m.upper == 0 || is_next_variable(c, s))
		return CHECK_NO;
	if ((classes < 2 || (m.digit == 0 && classes < 3)) && !is_no_word(c, s, m))
		return CHECK_NO;
	struct span name = key_name(c);
	if (name_kind_of(c->memo, name)->kind != KEY_PASSWORD || !key_fits(c, &v, name) ||
		is_no_secret(c, &v, false) || is_file_name(s, m))
		return CHECK_NO;
	/* a name, or a cipher suite: PSK-AES256-GCM-SHA384 */
	if (m.other && looks_like_a_name(s) &&
		(m.digit == 0 || m.lower == 0 || span_is(name, "PASS")))
		return CHECK_NO;
	/* A sentence of a user interface. */
	if (m.digit == 0 && c->end > c->start + s.n)
		return CHECK_NO;
	/* the first of a list, too: password1,password2 */
	if (value_is_stock(s) || value_is_stock(span_cut(s, 0, span_chr(s, ','))))
		return CHECK_NO;
	return CHECK_SHAPE;
}

/* Finds passwords after the option or statement that takes one. */
static enum check_result
check_argument(struct candidate *c)
{
	struct value v = value_read(c);

	struct mix m = value_counts(&c->memo->values, v.s);

	/* a word of the sentence */
	if (m.lower == v.s.n && v.s.n <= 8)
		return CHECK_NO;
	return value_is_template(v.s) || candidate_is_placeholder(c, v.s) || value_is_stock(v.s)
		       ? CHECK_NO
		       : CHECK_SHAPE;
}

/* The validators of this file (check.h). */
/* clang-format off */
const struct check checks_generic[] = {
	{ "vendor",      check_vendor,      "its key names a secret", NULL },
	{ "generic",     check_generic,     "looks random, no stop word", value_is_prose }, /* key=value: drawn by chance, or of several classes of characters */
	{ "alternative", check_alternative, "looks random, no stop word", NULL }, /* the second of two alternative values of a key: 'A' | 'B' */
	{ "chance",      check_chance,      "drawn by chance, no stop word", chance_is_over }, /* a value after the name of a secret, in any syntax */
	{ "before",      check_before,      "drawn by chance, no stop word", NULL }, /* a value before the name of a secret */
	{ "password",    check_password,    "no stop word", value_is_prose }, /* key=value, chosen by a person */
	{ "argument",    check_argument,    "no stop word", NULL }, /* a value after the option or statement that takes it */
	{ NULL, NULL, NULL, NULL },
};
/* clang-format on */
