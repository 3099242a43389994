/* What this worker last read of the counts on Redis, so that what will be refused
 * anyway is refused without counting: a doomed reservation takes room from others until
 * it is given back. owner: worker. */
#ifndef QUOTA_QUOTA_KNOWN_H
#define QUOTA_QUOTA_KNOWN_H

#include "quota/quota_window.h"

enum {
	KNOWN_PLACES = 1024,
	/* So long a refusal rests on what was read; then it is read again. */
	KNOWN_FRESH_US = 25000,
};

struct known_place {
	char key[QUOTA_KEY_MAX];
	struct quota_place at; /* the bucket of `own` */
	int64_t own, near[WINDOW_NEIGHBOURS];
	int64_t under_way; /* asked for and not answered */
	uint64_t read_us;  /* 0: never */
};

struct quota_known {
	/* by the key's hash; of two that share a place the later one has it */
	struct known_place place[KNOWN_PLACES];
};

enum known_answer {
	KNOWN_ROOM, /* as far as is known */
	KNOWN_FULL, /* read a moment ago */
	KNOWN_OLD,  /* full when it was read: to be read again */
};

/* Would the dim be over at this moment? Fills what window_judge() fills. */
enum known_answer known_ask(struct quota_known *k, struct quota_dim *d, uint64_t epoch,
	int64_t now_ms, uint64_t now_us, int64_t *retry_ms);
/* Counts what is sent, until known_read() or known_lost(). */
void known_sent(struct quota_known *k, const struct quota_dim *d, bool looks);
/* This worker corrected what was charged at a place. */
void known_corrected(
	struct quota_known *k, const struct quota_dim *d, struct quota_place at, int64_t delta);
/* The counts at d->at; `taken` of them is this request's own and given back. */
void known_read(struct quota_known *k, const struct quota_dim *d, bool looks, int64_t own,
	const int64_t near[WINDOW_NEIGHBOURS], int64_t taken, uint64_t now_us);
void known_lost(struct quota_known *k, const struct quota_dim *d, bool looks);

#endif
