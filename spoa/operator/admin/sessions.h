/* Sessions of browsers: a cookie stands for the token with which it was obtained. A session
 * ends after half an hour without use, by DELETE /session, or with its token. A lock guards the
 * table; any admin thread may call. Times are monotonic. */
#ifndef OPERATOR_ADMIN_SESSIONS_H
#define OPERATOR_ADMIN_SESSIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/sha256.h"

struct sessions;

enum { SESSION_TEXT = 44 /* size of a cookie's text with its NUL */, SESSION_IDLE_S = 1800 };

/* Returns NULL if memory is exhausted. */
struct sessions *sessions_new(void);
void sessions_free(struct sessions **s);

/* Begins a session for the token with this hash and writes the cookie's text. */
void sessions_begin(struct sessions *s, const unsigned char token[SHA256_BYTES],
	uint64_t now_us, char text[SESSION_TEXT]);
/* Looks a session up by the hash of its cookie and stores the hash of its token. Returns false
 * if there is no such session. `use` prolongs the session. */
bool sessions_find(struct sessions *s, const unsigned char id[SHA256_BYTES], uint64_t now_us,
	bool use, unsigned char token[SHA256_BYTES]);
/* Ends the session, if it exists. */
void sessions_end(struct sessions *s, const unsigned char id[SHA256_BYTES]);
/* Returns the number of live sessions. */
size_t sessions_count(struct sessions *s, uint64_t now_us);

#endif
