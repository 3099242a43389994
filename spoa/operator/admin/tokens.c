/* Reads and writes the file of admin tokens, and finds a token by its hash. */
#include "operator/admin/tokens.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/ascii.h"
#include "base/caps.h"
#include "base/clock.h"
#include "base/scoped.h"

#define HEAD                                                                                   \
	"# Tokens of tollgate's admin server, hashed. Written by `tollgate admin-token`; "     \
	"the\n"                                                                                \
	"# daemon reads it again when it changes.\n"                                           \
	"# NAME ROLES SHA256 CREATED END [revoked TIME]\n"

struct admin_tokens *
admin_tokens_new(void)
{
	return calloc(
		1, sizeof(struct admin_tokens) + CAP_ADMIN_TOKENS * sizeof(struct admin_token));
}

bool
admin_token_name_ok(struct span s)
{
	return s.n > 0 && s.n <= TOKEN_NAME && span_is_alnum(s, "._-@");
}

static bool
read_time(struct span s, int64_t *ns)
{
	return clock_parse(s.p, s.n, ns) == 0 && *ns >= 1000000000;
}

/* Parses one line into *t. Returns NULL, or what is wrong with the line. */
static const char *
parse_line(struct span line, struct admin_token *t)
{
	struct span word[8];
	size_t n = 0, bytes;

	while ((line = span_trim(line, " \t\r")).n && n < 8)
		word[n++] = span_next(&line, ' ');
	if ((n != 5 && n != 7) || line.n)
		return "write NAME ROLES SHA256 CREATED END, optionally followed by revoked "
		       "TIME";
	if (!admin_token_name_ok(word[0]))
		return "the name must have 1 to 64 letters, digits, dots, dashes, underscores "
		       "or @";
	memcpy(t->name, word[0].p, word[0].n);
	t->name[word[0].n] = '\0';
	if (!(t->roles = roles_parse(word[1])))
		return "the roles must be viewer, operator or auditor, separated by commas";
	if (word[2].n != 2 * SHA256_BYTES ||
		sodium_hex2bin(t->sha256, sizeof(t->sha256), word[2].p, word[2].n, NULL, &bytes,
			NULL) != 0 ||
		bytes != sizeof(t->sha256))
		return "the SHA-256 must have 64 hexadecimal digits";
	if (!read_time(word[3], &t->created_ns))
		return "CREATED must be a time such as 2026-12-01T00:00:00Z";
	if (!span_is(word[4], "never") && !read_time(word[4], &t->end_ns))
		return "END must be never, or a time such as 2026-12-01T00:00:00Z";
	if (n == 7 && (!span_is(word[5], "revoked") || !read_time(word[6], &t->revoked_ns)))
		return "after END, write revoked and a time, or nothing";
	return NULL;
}

struct admin_token *
admin_tokens_named(struct admin_tokens *t, const char *name)
{
	for (size_t i = 0; i < t->n; i++)
		if (!strcmp(t->row[i].name, name))
			return &t->row[i];
	return NULL;
}

struct admin_tokens *
admin_tokens_parse(struct span text, struct buf *why)
{
	struct admin_tokens *t = admin_tokens_new();
	const char *wrong = t ? NULL : "out of memory";
	unsigned number = 0;

	while (text.n && !wrong) {
		struct span line = span_trim(span_next(&text, '\n'), " \t\r");
		struct admin_token one = { .roles = 0 };
		number++;
		if (!line.n || line.p[0] == '#')
			continue;
		wrong = parse_line(line, &one);
		if (!wrong && admin_tokens_named(t, one.name))
			wrong = "another token has this name: rename one of the two";
		if (!wrong && admin_tokens_find(t, one.sha256))
			wrong = "another token has this SHA-256: delete one of the two lines";
		if (!wrong && t->n == CAP_ADMIN_TOKENS)
			wrong = "the file has more than 1024 tokens: delete revoked ones";
		if (!wrong)
			t->row[t->n++] = one;
	}
	if (!wrong)
		return t;
	buf_printf(why, "%u: %s", number, wrong);
	free(t);
	return NULL;
}

struct admin_tokens *
admin_tokens_load(const char *file, struct buf *why)
{
	struct admin_tokens *t = NULL;
	struct stat st;

	SCOPED_BUF(text, TOKEN_FILE_MAX);
	SCOPED_BUF(line, 512);
	if (!buf_regular_file(&text, file))
		buf_printf(why, "%s: %s", file, strerror(errno));
	else if (buf_failed(&text))
		buf_printf(why, "%s: the file is larger than %d bytes", file, TOKEN_FILE_MAX);
	else if (stat(file, &st) == 0 && (st.st_mode & S_IWOTH))
		buf_printf(why, "%s: every user may write this file: run chmod o-w", file);
	else if (!(t = admin_tokens_parse(buf_view(&text), &line)))
		buf_printf(why, "%s:%.*s", file, SPAN_ARG(buf_view(&line)));
	return t;
}

static void
put_token_time(struct buf *b, int64_t ns, const char *otherwise)
{
	char when[CLOCK_SECOND_LEN];

	if (ns)
		clock_second(ns, when);
	buf_printf(b, " %s", ns ? when : otherwise);
}

void
admin_tokens_write(const struct admin_tokens *t, struct buf *out)
{
	char roles[ROLES_TEXT];

	buf_str(out, HEAD);
	for (size_t i = 0; i < t->n; i++) {
		const struct admin_token *one = &t->row[i];
		buf_printf(out, "%s %s ", one->name, roles_text(one->roles, roles));
		buf_hex(out, one->sha256, sizeof(one->sha256));
		put_token_time(out, one->created_ns, "never");
		put_token_time(out, one->end_ns, "never");
		if (one->revoked_ns) {
			buf_str(out, " revoked");
			put_token_time(out, one->revoked_ns, "");
		}
		buf_putc(out, '\n');
	}
}

void
admin_token_make(char text[TOKEN_TEXT], unsigned char hash[SHA256_BYTES])
{
	unsigned char secret[32];

	memcpy(text, "tga_", 5);
	randombytes_buf(secret, sizeof(secret));
	sodium_bin2base64(text + 4, TOKEN_TEXT - 4, secret, sizeof(secret),
		sodium_base64_VARIANT_URLSAFE_NO_PADDING);
	sha256(span_str(text), hash);
	sodium_memzero(secret, sizeof(secret));
}

bool
admin_token_live(const struct admin_token *t, int64_t now_ns)
{
	return !t->revoked_ns && (!t->end_ns || t->end_ns > now_ns);
}

const struct admin_token *
admin_tokens_find(const struct admin_tokens *t, const unsigned char hash[SHA256_BYTES])
{
	const struct admin_token *found = NULL;

	for (size_t i = 0; i < t->n; i++)
		if (sodium_memcmp(t->row[i].sha256, hash, SHA256_BYTES) == 0)
			found = &t->row[i];
	return found;
}
