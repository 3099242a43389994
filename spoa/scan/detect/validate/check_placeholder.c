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

static uint32_t
second_bit(char c)
{
	return UINT32_C(1) << (to_lower(c) & 31);
}

__attribute__((constructor)) static void
fill_seconds(void)
{
	for (size_t k = 0; k < COUNT_OF(words); k++)
		seconds[(unsigned char)words[k][0]] |= second_bit(words[k][1]);
}

bool
value_is_placeholder(struct span s)
{
	size_t capitals = 0;

	effort_add(2 * s.n);
	for (size_t i = 0; i < s.n; i++)
		capitals += is_upper(s.p[i]) || s.p[i] == '_';
	if (s.n && capitals == s.n && value_names_secret(s)) /* DB_PASSWORD */
		return true;
	if (s.n > 6 && span_ieq(span_cut(s, 0, 4), SPAN_LIT("your")))
		return true;
	for (size_t i = 0; i + 1 < s.n; i++) {
		if (!(seconds[(unsigned char)to_lower(s.p[i])] & second_bit(s.p[i + 1])))
			continue;
		effort_add(COUNT_OF(words));
		for (size_t k = 0; k < COUNT_OF(words); k++) {
			size_t m = 0;
			while (words[k][m] && i + m < s.n &&
				to_lower(s.p[i + m]) == words[k][m])
				m++;
			if (!words[k][m])
				return true;
		}
	}
	return false;
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
