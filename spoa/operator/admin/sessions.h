/* Sessions of browsers: a cookie each, in the place of the token that it was given for. It
 * ends when nobody used it for half an hour, by DELETE /session, and with its token. owner: its
 * lock, any admin thread. */
#ifndef OPERATOR_ADMIN_SESSIONS_H
#define OPERATOR_ADMIN_SESSIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/sha256.h"

struct sessions;

enum { SESSION_TEXT = 44 /* with its NUL */, SESSION_IDLE_S = 1800 };

struct sessions *sessions_new(void);
void sessions_free(struct sessions **s);

/* For the token of this hash: the cookie's text. */
void sessions_begin(struct sessions *s, const unsigned char token[SHA256_BYTES],
	uint64_t now_us, char text[SESSION_TEXT]);
/* The hash of the token that it was given for. False: there is none such, or no longer. It is
 * used now, where `use`. */
bool sessions_find(struct sessions *s, const unsigned char id[SHA256_BYTES], uint64_t now_us,
	bool use, unsigned char token[SHA256_BYTES]);
void sessions_end(struct sessions *s, const unsigned char id[SHA256_BYTES]);
size_t sessions_count(struct sessions *s, uint64_t now_us);

#endif
