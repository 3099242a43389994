/* The table of sessions. A cookie is stored only as a hash. */
#include "operator/admin/sessions.h"

#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/caps.h"
#include "base/scoped.h"

/* Sessions of one token; a further one replaces the one that was unused for the longest. */
enum { PER_TOKEN = 16 };
#define IDLE_US (SESSION_IDLE_S * 1000000ull)

struct session {
	unsigned char id[SHA256_BYTES], token[SHA256_BYTES];
	uint64_t used_us; /* 0: the row is free */
};

struct sessions {
	pthread_mutex_t lock;
	struct session row[CAP_ADMIN_SESSIONS];
};

struct sessions *
sessions_new(void)
{
	struct sessions *s = calloc(1, sizeof(*s));

	if (s)
		pthread_mutex_init(&s->lock, NULL);
	return s;
}

void
sessions_free(struct sessions **sp)
{
	if (!*sp)
		return;
	pthread_mutex_destroy(&(*sp)->lock);
	sodium_memzero(*sp, sizeof(**sp));
	free(*sp);
	*sp = NULL;
}

static bool
is_live(const struct session *s, uint64_t now_us)
{
	return s->used_us && now_us < s->used_us + IDLE_US;
}

/* Returns the row for a new session: if the token has PER_TOKEN sessions, the one of these that
 * was unused for the longest; otherwise a free row; otherwise the oldest of all. */
static struct session *
row_for_session(struct sessions *s, const unsigned char token[SHA256_BYTES], uint64_t now_us)
{
	struct session *oldest = &s->row[0], *own = NULL, *empty = NULL;
	size_t mine = 0;

	for (size_t i = 0; i < CAP_ADMIN_SESSIONS; i++) {
		struct session *one = &s->row[i];
		if (!is_live(one, now_us)) {
			empty = one;
			continue;
		}
		if (one->used_us < oldest->used_us)
			oldest = one;
		if (memcmp(one->token, token, SHA256_BYTES) != 0)
			continue;
		mine++;
		if (!own || one->used_us < own->used_us)
			own = one;
	}
	return mine >= PER_TOKEN ? own : empty ? empty : oldest;
}

void
sessions_begin(struct sessions *s, const unsigned char token[SHA256_BYTES], uint64_t now_us,
	char text[SESSION_TEXT])
{
	unsigned char secret[32];

	randombytes_buf(secret, sizeof(secret));
	sodium_bin2base64(text, SESSION_TEXT, secret, sizeof(secret),
		sodium_base64_VARIANT_URLSAFE_NO_PADDING);
	sodium_memzero(secret, sizeof(secret));
	SCOPED_LOCK(&s->lock);
	struct session *one = row_for_session(s, token, now_us);
	sha256(span_str(text), one->id);
	memcpy(one->token, token, SHA256_BYTES);
	one->used_us = now_us;
}

bool
sessions_find(struct sessions *s, const unsigned char id[SHA256_BYTES], uint64_t now_us,
	bool use, unsigned char token[SHA256_BYTES])
{
	bool found = false;

	SCOPED_LOCK(&s->lock);
	for (size_t i = 0; i < CAP_ADMIN_SESSIONS; i++) {
		struct session *one = &s->row[i];
		if (sodium_memcmp(one->id, id, SHA256_BYTES) != 0 || !is_live(one, now_us))
			continue;
		found = true;
		memcpy(token, one->token, SHA256_BYTES);
		if (use)
			one->used_us = now_us;
	}
	return found;
}

void
sessions_end(struct sessions *s, const unsigned char id[SHA256_BYTES])
{
	SCOPED_LOCK(&s->lock);
	for (size_t i = 0; i < CAP_ADMIN_SESSIONS; i++)
		if (sodium_memcmp(s->row[i].id, id, SHA256_BYTES) == 0)
			sodium_memzero(&s->row[i], sizeof(s->row[i]));
}

size_t
sessions_count(struct sessions *s, uint64_t now_us)
{
	size_t n = 0;

	SCOPED_LOCK(&s->lock);
	for (size_t i = 0; i < CAP_ADMIN_SESSIONS; i++)
		n += is_live(&s->row[i], now_us);
	return n;
}
