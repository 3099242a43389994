/* The file of admin.tokens. Each line is
 *
 *   NAME ROLES SHA256 CREATED END [revoked TIME]
 *
 * ROLES are separated by commas, times are in UTC, and END is `never` or a time. The file
 * contains no secret: a token has 32 random bytes, and only their hash is stored. */
#ifndef OPERATOR_ADMIN_TOKENS_H
#define OPERATOR_ADMIN_TOKENS_H

#include "base/buf.h"
#include "base/sha256.h"
#include "policy/config/admin.h"

enum { TOKEN_NAME = 64, TOKEN_TEXT = 48, TOKEN_FILE_MAX = 1 << 20 };

/* One token. Times are Unix times in ns. */
struct admin_token {
	char name[TOKEN_NAME + 1];
	unsigned roles;
	unsigned char sha256[SHA256_BYTES];
	int64_t created_ns, end_ns, revoked_ns; /* 0: it does not end; it is not revoked */
};

struct admin_tokens {
	size_t n;
	struct admin_token row[]; /* room for CAP_ADMIN_TOKENS */
};

/* Returns an empty list, to be freed with free(); NULL if memory is exhausted. */
struct admin_tokens *admin_tokens_new(void);
/* Parses a file's text. Returns NULL with line and reason in *why. */
struct admin_tokens *admin_tokens_parse(struct span text, struct buf *why);
/* Reads the file. Returns NULL with a message in *why; a file that others than owner and group
 * may write is refused. */
struct admin_tokens *admin_tokens_load(const char *file, struct buf *why);
/* Writes the file's text. */
void admin_tokens_write(const struct admin_tokens *t, struct buf *out);

/* Generates a token ("tga_" and 43 characters) and its hash. */
void admin_token_make(char text[TOKEN_TEXT], unsigned char sha256[SHA256_BYTES]);
/* Returns true for 1 to 64 letters, digits, dots, dashes, underscores and @. */
bool admin_token_name_ok(struct span s);
/* Returns true if the token is neither revoked nor past its end. */
bool admin_token_live(const struct admin_token *t, int64_t now_ns);
/* Returns the token with this hash, or NULL. Compares all tokens in constant time. */
const struct admin_token *admin_tokens_find(
	const struct admin_tokens *t, const unsigned char sha256[SHA256_BYTES]);
/* Returns the token of this name, or NULL. */
struct admin_token *admin_tokens_named(struct admin_tokens *t, const char *name);

#endif
