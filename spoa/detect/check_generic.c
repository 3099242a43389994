/* Secrets without a format: `key = value` where the key says secret and the
 * value looks random. What keeps this from finding every identifier in source
 * code: entropy, mixed classes, words of the key that say what it really names
 * (public, id, url), and values that are code, paths, versions or placeholders. */
#include "detect/check.h"

/* Ordered by the first byte where in_list() searches. */
struct word_list {
	const char *const *v;
	size_t n;
};
#define WORD_LIST(name, ...)                                                                   \
	static const char *const name##_words[] = { __VA_ARGS__ };                             \
	static const struct word_list name = { name##_words,                                   \
		sizeof(name##_words) / sizeof(char *) }

/* Anywhere in the key. */
WORD_LIST(harmless, "csrf", "checksum", "commit", "cache", "digest", "etag", "fingerprint",
	"foreign", "hash", "integrity", "idempotency", "i18n", "keyword", "keyboard", "md5",
	"nonce", "public", "pub", "primary", "partition", "rev", "revision", "sha", "sha1",
	"sha256", "sha512", "sort", "schema", "sequence", "translation", "version", "xsrf");
/* As the key's last word: what the value is. */
WORD_LIST(not_the_secret, "alias", "arn", "algorithm", "alg", "at", "age", "budget", "count",
	"class", "callback", "column", "created", "dir", "domain", "date", "expiry", "expires",
	"expiration", "endpoint", "email", "env", "file", "filename", "field", "format", "host",
	"hint", "id", "ids", "index", "identifier", "length", "len", "label", "location",
	"limit", "map", "method", "name", "path", "prefix", "provider", "policy", "pattern",
	"ref", "region", "results", "regex", "size", "suffix", "server", "selector", "store",
	"source", "status", "type", "ttl", "time", "timeout", "url", "uri", "usage", "user",
	"username", "updated", "var");
WORD_LIST(in_placeholders, "example", "changeme", "change_me", "placeholder", "your_", "your-",
	"yourpass", "dummy", "redacted", "xxxx", "****", "....", "insert", "replace", "todo",
	"fixme", "sample", "foobar", "notreal", "fake_", "fake-", "undefined", "localhost",
	"publickey", "privatekey");

static char
fold(char c)
{
	return is_upper(c) ? (char)(c | 0x20) : c;
}

static bool
in_list(const struct word_list *l, struct span w)
{
	unsigned char first = w.n ? (unsigned char)fold(w.p[0]) : 0;
	size_t i = 0, to = l->n;

	while (i < to) {
		size_t k = (i + to) / 2;
		if ((unsigned char)l->v[k][0] < first)
			i = k + 1;
		else
			to = k;
	}
	for (; i < l->n && (unsigned char)l->v[i][0] == first; i++)
		if (span_ieq(w, span_str(l->v[i])))
			return true;
	return false;
}

static bool
contains(const struct word_list *l, struct span s)
{
	uint64_t first[4] = { 0 };

	for (size_t k = 0; k < l->n; k++)
		first[(unsigned char)l->v[k][0] >> 6] |= UINT64_C(1) << (l->v[k][0] & 63);
	for (size_t i = 0; i + 1 < s.n; i++) {
		unsigned char c = (unsigned char)fold(s.p[i]);
		if (!(first[c >> 6] >> (c & 63) & 1))
			continue;
		for (size_t k = 0; k < l->n; k++) {
			size_t m = 0;
			while (l->v[k][m] && i + m < s.n && fold(s.p[i + m]) == l->v[k][m])
				m++;
			if (!l->v[k][m])
				return true;
		}
	}
	return false;
}

/* ---- the key ---- */

/* A letter of any alphabet: the bytes of UTF-8 beyond ASCII. */
static bool
is_letter(char c)
{
	return is_alnum(c) || (unsigned char)c >= 0x80;
}

static bool
is_name(char c)
{
	return is_letter(c) || c == '_' || c == '-' || c == '.';
}

/* The identifier around the place where the pattern began. */
static struct span
key_name(const struct candidate *c)
{
	size_t from = c->match, to = c->match;

	while (from > 0 && c->match - from < 64 && is_name(c->text.p[from - 1]))
		from--;
	while (to < c->start && is_name(c->text.p[to]))
		to++;
	/* "API key" as people write it */
	if (to + 4 <= c->start && c->text.p[to] == ' ' &&
		span_ieq(span_of(c->text.p + to + 1, 3), SPAN_LIT("key")))
		to += 4;
	while (to > from && !is_letter(c->text.p[to - 1]))
		to--;
	struct span name = span_cut(c->text, from, to);
	while (span_ends(name, SPAN_LIT("：")))
		name.n -= 3;
	return name;
}

/* Cuts the last word off an identifier: snake_case, kebab-case, dotted, camelCase. */
static struct span
last_word(struct span *name)
{
	size_t end = name->n;

	while (end && !is_letter(name->p[end - 1]))
		end--;
	size_t at = end;
	while (at && is_letter(name->p[at - 1])) {
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

WORD_LIST(secrets, "apikey", "accesskey", "auth", "authorization", "authtoken", "accesstoken",
	"apitoken", "accountkey", "bearer", "credential", "credentials", "creds",
	"clientsecret", "privatekey", "secret", "secrets", "secretkey", "sas", "token",
	"tokens");
WORD_LIST(passwords, "contraseña", "clave", "hasło", "heslo", "jelszó", "lösenord", "password",
	"passwd", "pwd", "passphrase", "pass", "passcode", "pw", "psk", "passwort", "passe",
	"parola", "senha", "salasana", "wachtwoord", "şifre", "пароль", "Пароль", "パスワード",
	"密码", "密碼", "口令", "비밀번호");
/* The end of a word written together: dbpassword, PGPASSWORD. */
WORD_LIST(password_ends, "password", "passwd", "passwort", "passphrase");
WORD_LIST(secret_ends, "secret", "token", "apikey", "密钥", "密鑰", "apiキー");
WORD_LIST(qualifies, "api", "access", "auth", "account", "app", "admin", "client", "deploy",
	"encryption", "integration", "license", "live", "master", "private", "project", "prod",
	"rest", "signing", "service", "shared", "storage", "ssh", "server", "session",
	"subscription", "webhook", "write");

static bool
ends_in_list(const struct word_list *l, struct span w)
{
	for (size_t i = 0; i < l->n; i++) {
		size_t n = strlen(l->v[i]);
		if (w.n > n && span_ieq(span_cut(w, w.n - n, w.n), span_str(l->v[i])))
			return true;
	}
	return false;
}

bool
check_words_ordered(void)
{
	static const struct word_list *const all[] = { &harmless, &not_the_secret, &secrets,
		&passwords, &qualifies };

	for (size_t k = 0; k < sizeof(all) / sizeof(all[0]); k++)
		for (size_t i = 1; i < all[k]->n; i++)
			if ((unsigned char)all[k]->v[i - 1][0] > (unsigned char)all[k]->v[i][0])
				return false;
	return true;
}

enum key_kind { KEY_NO, KEY_WEAK, KEY_SECRET, KEY_PASSWORD };

/* What the key promises. A bare "key" may be anything that is looked up. */
static enum key_kind
read_key(struct span name)
{
	enum key_kind kind = KEY_NO;
	bool last = true, key = false, key_last = false;

	while (name.n) {
		struct span w = last_word(&name);
		if (w.n == 0)
			break;
		if (in_list(&harmless, w) || (last && in_list(&not_the_secret, w)))
			return KEY_NO;
		if (in_list(&passwords, w) || ends_in_list(&password_ends, w))
			kind = kind > KEY_PASSWORD ? kind : KEY_PASSWORD;
		else if (in_list(&secrets, w) || ends_in_list(&secret_ends, w))
			kind = kind > KEY_SECRET ? kind : KEY_SECRET;
		else if (span_ieq(w, SPAN_LIT("key")) || span_ieq(w, SPAN_LIT("keys")))
			key = true, key_last |= last;
		else if (key && in_list(&qualifies, w) && kind < KEY_SECRET)
			kind = KEY_SECRET;
		last = false;
	}
	return kind == KEY_NO && key_last ? KEY_WEAK : kind;
}

/* ---- the value ---- */

struct mix {
	size_t lower, upper, digit, other;
};

static struct mix
mix_of(struct span s)
{
	struct mix m = { 0 };

	for (size_t i = 0; i < s.n; i++) {
		m.lower += is_lower(s.p[i]);
		m.upper += is_upper(s.p[i]);
		m.digit += is_digit(s.p[i]);
	}
	m.other = s.n - m.lower - m.upper - m.digit;
	return m;
}

static bool
is_word(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!is_alpha(s.p[i]))
			return false;
	return s.n > 0;
}

/* Letters alone, their case as if thrown: capitals side by side and small letters
 * alone between them. camelCase has few of either, acronyms none of the second. */
static bool
random_letters(struct span s)
{
	size_t pairs = 0, singles = 0;

	for (size_t i = 0; i + 2 < s.n; i++) {
		pairs += is_upper(s.p[i]) && is_upper(s.p[i + 1]);
		singles += is_upper(s.p[i]) && is_lower(s.p[i + 1]) && is_upper(s.p[i + 2]);
	}
	return pairs * 10 >= s.n && singles * 12 >= s.n && entropy(s) >= 3.0f;
}

/* Paths, host names, dotted identifiers, versions, arguments. */
static bool
looks_like_a_path(struct span s)
{
	struct span rest = s;

	while (span_chr(s, '.') < s.n && rest.p) {
		struct span part = span_next(&rest, '.');
		if (part.n <= 20 && (is_word(part) || mix_of(part).digit == part.n))
			return true;
	}
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
		words += part.n <= 16 && is_word(part) && !random_letters(part);
		mixed += part.n > 12 && !is_word(part);
	}
	return parts > 1 && words * 2 >= parts && !mixed;
}

/* Whole groups of base64, too mixed to be a path: there "/" is a digit. */
static bool
is_base64_blob(struct span s)
{
	struct mix m = mix_of(s);
	size_t slashes = 0;

	for (size_t i = 0; i < s.n; i++) {
		if (base64_value(s.p[i]) < 0 && s.p[i] != '=')
			return false;
		slashes += s.p[i] == '/';
	}
	return s.n >= 40 && s.n % 4 == 0 && m.digit > 2 && m.upper > 4 && m.lower > 4 &&
	       slashes * 12 <= s.n;
}

static bool
looks_like_code(struct span s)
{
	if (is_base64_blob(s))
		return false;
	return strchr("$<{(%/@", s.p[0]) || memmem(s.p, s.n, "://", 3) ||
	       memmem(s.p, s.n, "::", 2) || memmem(s.p, s.n, "->", 2) ||
	       span_chr(s, '(') < s.n || span_chr(s, '[') < s.n || span_chr(s, '{') < s.n ||
	       looks_like_a_path(s);
}

/* $NAME, ${NAME}, $(name), %NAME%, <name>, {{name}}, @name, name(…), name[…]: a
 * place where a password is kept. Alone, the same signs may well be in one. */
static bool
is_reference(struct span s)
{
	size_t from = s.p[0] == '$' || s.p[0] == '%' || s.p[0] == '@', i = from;

	if (s.p[0] == '<' || span_starts(s, SPAN_LIT("${")) || span_starts(s, SPAN_LIT("$(")) ||
		span_starts(s, SPAN_LIT("{{")) || memmem(s.p, s.n, "://", 3) ||
		memmem(s.p, s.n, "->", 2) || memmem(s.p, s.n, "::", 2))
		return true;
	while (i < s.n && (is_alpha(s.p[i]) || s.p[i] == '_' || s.p[i] == '.'))
		i++;
	/* (None)), 0xA2805140 */
	if (is_word(span_trim(s, "()[]{}.")) || span_starts(s, SPAN_LIT("0x")))
		return true;
	if (i == s.n || (s.p[0] == '%' && i > 1 && i + 1 == s.n && s.p[i] == '%'))
		return from;
	for (i = from; i < s.n && (is_alnum(s.p[i]) || s.p[i] == '_' || s.p[i] == '.');)
		i++;
	return i > from && i < s.n && (s.p[i] == '(' || s.p[i] == '[') &&
	       strchr(")](", s.p[s.n - 1]);
}

/* Words joined by - or _ are names: NEXUS-GPT4-API-KEY, prod-eu-west1. */
static bool
looks_like_a_name(struct span s)
{
	size_t parts = 0, plain = 0, at = 0;

	for (size_t i = 0; i <= s.n; i++) {
		if (i < s.n && s.p[i] != '-' && s.p[i] != '_' && s.p[i] != ':')
			continue;
		struct mix m = mix_of(span_cut(s, at, i));
		size_t n = i - at;
		/* Letters, then digits, each of one case: a word with its number. */
		bool digits_last = true;
		for (size_t k = at + 1; k < i; k++)
			if (is_digit(s.p[k - 1]) && !is_digit(s.p[k]))
				digits_last = false;
		bool one_case =
			m.lower == 0 || m.upper == 0 || (m.upper == 1 && is_upper(s.p[at]));
		parts += n > 0;
		plain += n > 0 && n <= 14 && (digits_last || n <= 3) && one_case &&
			 (m.digit <= 4 || m.digit == n);
		at = i + 1;
	}
	return parts > 1 && plain == parts;
}

/* An alphabet ("ABC…xyz0123456789"), or one byte again and again. */
static bool
is_sequence(struct span s)
{
	size_t next = 1, same = 1;

	for (size_t i = 1; i < s.n && next < 16 && same < 8; i++) {
		next = s.p[i] == s.p[i - 1] + 1 ? next + 1 : 1;
		same = s.p[i] == s.p[i - 1] ? same + 1 : 1;
	}
	return next >= 16 || same >= 8;
}

static bool
is_no_value(struct span s)
{
	return s.n == 0 || contains(&in_placeholders, s) || looks_like_code(s) ||
	       is_sequence(s);
}

/* The sentence's full stop is not part of the secret. */
static struct span
trimmed(struct candidate *c)
{
	while (c->end > c->start + 1 && strchr(".:!?,", c->text.p[c->end - 1]))
		c->end--;
	return span_cut(c->text, c->start, c->end);
}

enum check_result
check_generic(struct candidate *c)
{
	struct span s = trimmed(c);
	struct mix m;

	/* The cheap questions first: most candidates end here. */
	if (s.n < 10)
		return CHECK_NO;
	m = mix_of(s);
	if (m.lower + m.upper == 0 || (m.digit == 0 && (s.n < 20 || !random_letters(s))))
		return CHECK_NO;
	float bits = entropy(s);
	if (bits < 3.5f && !(s.n >= 32 && bits >= 3.0f)) /* hex has 4 bits at most */
		return CHECK_NO;
	enum key_kind key = read_key(key_name(c));
	if (key == KEY_NO || is_no_value(s) || looks_like_a_name(s))
		return CHECK_NO;
	if (key == KEY_WEAK && (m.digit < 2 || bits < 3.6f || s.n < 16))
		return CHECK_NO;
	return CHECK_SHAPE;
}

/* The vendor's name and the value's exact shape stand for randomness; the key must
 * not say that the value is something else (algolia_index_name, datadog_public_id). */
enum check_result
check_vendor(struct candidate *c)
{
	struct span s = span_cut(c->text, c->start, c->end), name = key_name(c);
	bool last = true;

	while (name.n) {
		struct span w = last_word(&name);
		if (w.n == 0)
			break;
		if (in_list(&harmless, w) || (last && in_list(&not_the_secret, w)))
			return CHECK_NO;
		last = false;
	}
	/* Names have no digits: searchConfluenceUsingCql. */
	if (mix_of(s).digit == 0)
		return CHECK_NO;
	if (token_placeholder(s) || is_sequence(s) || contains(&in_placeholders, s) ||
		looks_like_a_name(s))
		return CHECK_NO;
	return entropy(s) < 2.5f ? CHECK_NO : CHECK_SHAPE;
}

/* Chosen by people: shorter, less random, but after a word that leaves no doubt. */
enum check_result
check_password(struct candidate *c)
{
	/* "!" and "?" may well end a password; a full stop hardly. */
	while (c->end > c->start + 1 && strchr(".:", c->text.p[c->end - 1]))
		c->end--;
	struct span s = span_cut(c->text, c->start, c->end);
	struct mix m = mix_of(s);
	int classes = (m.lower > 0) + (m.upper > 0) + (m.digit > 0) + (m.other > 0);

	if (s.n < 6 || m.lower + m.upper == 0 || classes < 2 || (m.digit == 0 && classes < 3))
		return CHECK_NO;
	if (read_key(key_name(c)) != KEY_PASSWORD || is_reference(s) || looks_like_a_path(s) ||
		contains(&in_placeholders, s) || is_sequence(s))
		return CHECK_NO;
	if (m.digit == 0 && m.other && looks_like_a_name(s))
		return CHECK_NO;
	return CHECK_SHAPE;
}
