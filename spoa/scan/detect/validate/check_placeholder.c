/* What is written where a value would be: placeholders, the passwords of examples and
 * defaults, identifiers, and what is public. Apart from check_value.c, which reads where a
 * value ends and whether it is code. */
#include "base/among.h"
#include "base/effort.h"
#include "scan/detect/validate/check_value.h"

static const char *const words[] = {
#include "scan/detect/validate/placeholders.inc"
};
static uint32_t seconds[256]; /* by a word's first byte: what its second one is, as bits */
static uint16_t by_first[COUNT_OF(words)], firsts[256 + 1]; /* the words in that order, and where
							      each byte's begin */

static uint32_t
second_bit(char c)
{
	return UINT32_C(1) << (to_lower(c) & 31);
}

__attribute__((constructor)) static void
fill_seconds(void)
{
	uint16_t n = 0;

	for (size_t first = 0; first < 256; first++) {
		firsts[first] = n;
		for (size_t k = 0; k < COUNT_OF(words); k++)
			if ((unsigned char)words[k][0] == first) {
				by_first[n++] = (uint16_t)k;
				seconds[first] |= second_bit(words[k][1]);
			}
	}
	firsts[256] = n;
}

/* The length of the word of the list that begins the text. */
static size_t
word_begins(struct span rest)
{
	unsigned char first = (unsigned char)to_lower(rest.p[0]);

	if (rest.n < 2 || !(seconds[first] & second_bit(rest.p[1])))
		return 0;
	effort_add(4 * (size_t)(firsts[first + 1] - firsts[first]));
	for (size_t k = firsts[first]; k < firsts[first + 1]; k++) {
		const char *word = words[by_first[k]];
		size_t m = 1;
		while (word[m] && m < rest.n && to_lower(rest.p[m]) == word[m])
			m++;
		if (!word[m])
			return m;
	}
	return 0;
}

/* DB_PASSWORD, your-key-here */
static bool
is_stand_in(struct span s)
{
	size_t capitals = 0;

	while (capitals < s.n && (is_upper(s.p[capitals]) || s.p[capitals] == '_'))
		capitals++;
	effort_add(32 + capitals);
	return (s.n && capitals == s.n && value_names_secret(s)) ||
	       (s.n > 6 && span_ieq(span_cut(s, 0, 4), SPAN_LIT("your")));
}

bool
value_is_placeholder(struct span s)
{
	struct value_place none = { 0 };

	return is_stand_in(s) || value_holds(&none, s, s, word_begins);
}

bool
candidate_is_placeholder(const struct candidate *c, struct span s)
{
	return is_stand_in(s) ||
	       value_holds(&c->memo->values.placeholder, c->text, s, word_begins);
}

/* p@ssw0rd: the letter that a sign or digit is drawn for. */
static char
letter_of(char c)
{
	switch (c) {
	case '@':
	case '4': return 'a';
	case '0': return 'o';
	case '3': return 'e';
	case '1': return 'i';
	case '$':
	case '5': return 's';
	default: return to_lower(c);
	}
}

/* 1, 12, 123 …, 01 and the like: what is appended to please a rule. */
static bool
is_counted(struct span s)
{
	size_t from = span_past_set(s, 0, "_-@#.="), i = from;

	while (i < s.n && is_digit(s.p[i])) {
		if (i > from && s.p[i] != s.p[i - 1] + 1)
			return false;
		i++;
	}
	if (i > from && s.p[from] > '1')
		return i == from + 1 && i == s.n;
	return span_past_set(s, i, "!$#.*:=") == s.n;
}

bool
value_is_stock(struct span s)
{
	static const char *const names[] = { "password", "passwd", "pass", "passphrase",
		"passwort", "pwd", "secret", "token", "apikey", "api_key", "xxx", "yyy", "xyz",
		"abc", "your_password", "mypassword", "mypass", "mypwd", "secretpassword",
		"userpassword", "testpassword", "testpass", "newpassword", "oldpassword",
		"newpass", "oldpass", "newuserpassword", "newpostgrespassword", "rootpassword",
		"adminpassword", "adminpass", "wrongpassword", "wrongpass", "badpassword",
		"somepassword", "thepassword", "strongpassword", "securepassword", "foo", "bar",
		"foobar", "baz", "test", "testing", "user", "username", "changeme", "changeit",
		"letmein", "example", "demo", "hunter2", "x-oauth-basic", "x-token-auth",
		"qwerty", "opensesame", "open sesame", "string" };

	static const char *const ends[] = { "password", "passwd", "pass", "pwd", "secret" };

	for (size_t k = 0; k < COUNT_OF(names); k++) {
		size_t n = strlen(names[k]), i = 0;
		while (i < n && i < s.n && letter_of(s.p[i]) == names[k][i])
			i++;
		if (i == n && is_counted(span_cut(s, n, s.n)))
			return true;
	}
	/* newRootPassword123 */
	for (size_t i = 1; i < s.n && is_alpha(s.p[i - 1]); i++)
		for (size_t k = 0; k < COUNT_OF(ends); k++) {
			size_t to = i + strlen(ends[k]);
			if (to <= s.n && span_ieq(span_cut(s, i, to), span_str(ends[k])) &&
				is_counted(span_cut(s, to, s.n)))
				return true;
		}
	return token_placeholder(s);
}

bool
value_is_public_pem(struct span s)
{
	/* "-----BEGIN CERT", "-----BEGIN PUBLIC " */
	return span_starts(s, SPAN_LIT("LS0tLS1CRUdJTiBDRVJU")) ||
	       span_starts(s, SPAN_LIT("LS0tLS1CRUdJTiBQVUJMSUMg"));
}

bool
value_is_uuid(struct span s)
{
	if (s.n != 36)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;
		if (dash ? s.p[i] != '-' : !is_hex(s.p[i]))
			return false;
	}
	return true;
}
