/* The file of admin.tokens: a line each,
 *
 *   NAME ROLES SHA256 CREATED END [revoked TIME]
 *
 * with ROLES and commas between, times in UTC, END `never` or a time. No secret is in it: of a
 * token's 32 random bytes the hash alone is kept. */
#ifndef OPERATOR_ADMIN_TOKENS_H
#define OPERATOR_ADMIN_TOKENS_H

#include "base/buf.h"
#include "base/sha256.h"
#include "policy/config/admin.h"

enum { TOKEN_NAME = 64, TOKEN_TEXT = 48, TOKEN_FILE_MAX = 1 << 20 };

struct admin_token {
	char name[TOKEN_NAME + 1];
	unsigned roles;
	unsigned char sha256[SHA256_BYTES];
	int64_t created_ns, end_ns, revoked_ns; /* 0: never, not */
};

struct admin_tokens {
	size_t n;
	struct admin_token row[]; /* room for CAP_ADMIN_TOKENS */
};

/* None, to be filled; free() it. */
struct admin_tokens *admin_tokens_new(void);
/* NULL with line and reason in *why. */
struct admin_tokens *admin_tokens_parse(struct span text, struct buf *why);
/* NULL likewise; a file that others than its owner and group may write is refused. */
struct admin_tokens *admin_tokens_load(const char *file, struct buf *why);
void admin_tokens_write(const struct admin_tokens *t, struct buf *out);

/* "tga_" and 43 characters, and their hash. */
void admin_token_make(char text[TOKEN_TEXT], unsigned char sha256[SHA256_BYTES]);
/* Letters, digits, dots, dashes, underscores, @: 1 to 64. */
bool admin_token_name_ok(struct span s);
bool admin_token_live(const struct admin_token *t, int64_t now_ns);
/* Looks at all of them, whichever it is. NULL: none has this hash. */
const struct admin_token *admin_tokens_find(
	const struct admin_tokens *t, const unsigned char sha256[SHA256_BYTES]);
struct admin_token *admin_tokens_named(struct admin_tokens *t, const char *name);

#endif
