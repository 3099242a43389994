/* One place, and the ways to take a checkpoint to it. owner: the thread tg-anchors, but what is
 * in `shown`. */
#ifndef RECORD_ANCHORS_PLACE_H
#define RECORD_ANCHORS_PLACE_H

#include <ev.h>
#include <openssl/ts.h>

#include "base/fetch/http_client.h"
#include "base/pool.h"
#include "base/tag.h"
#include "record/anchors/anchors.h"
#include "record/proof/note.h"

#define ANCHOR_DEADLINE_US 10000000 /* of one attempt */

enum anchor_end {
	ANCHOR_TAKEN,
	ANCHOR_REFUSED, /* an answer that is no, or that does not hold */
	ANCHOR_AWAY,	/* no answer */
	ANCHOR_ENDS
};

enum { PLACE_TEXT = 512, PLACE_WHY = 512 };

/* WAITS -> ASKS -> RECORDS -> WAITS; an attempt without an answer leaves ASKS for WAITS. */
enum place_state { PLACE_WAITS, PLACE_ASKS, PLACE_RECORDS };

struct place {
	struct tag tag;
	struct anchors *all;
	const struct anchor_place *at;
	char name[PLACE_TEXT]; /* as shown: an address without its query */
	enum place_state state;
	ev_timer due;
	struct http_call *call;
	bool errand; /* one is under way */
	uint64_t began_us;
	uint64_t wait_us;	/* after a failure; 0: there was none */
	uint64_t asked_wait_us; /* the wait that the last answer asks for; 0: none */
	struct buf note;
	struct checkpoint checkpoint; /* views into it */
	struct audit_entry entry;
	TS_REQ *query; /* tsa: what was asked; NULL: nothing */
	struct {
		uint64_t old; /* the size that it has seen, as far as we know */
		bool again;   /* it told us in this turn */
	} witness;
	/* Under the lock of `all`. */
	struct {
		bool tried, taken;
		enum anchor_end end;
		uint64_t size, taken_us, since_us;
		uint64_t asked_us; /* the attempt under way began; 0: none */
		int64_t taken_ns;
		char why[PLACE_WHY];
	} shown;
};

/* Begins to take p->note there. place_over() says how it ended, now or later, exactly once. */
void place_take_tsa(struct place *p);
void place_take_witness(struct place *p);

/* `answer`: what came; goes into the record as it is, or as base64. */
void place_over(struct place *p, enum anchor_end end, struct span answer, bool base64,
	const char *why, ...) __attribute__((format(printf, 5, 6)));
/* Posts to the place, or to its address with `suffix` after it. */
void place_post(struct place *p, const char *suffix, const char *type, struct span body,
	size_t answer_bytes, http_cb *cb);
/* No answer came: place_over() was called. */
bool place_unanswered(struct place *p, const struct http_answer *a);
/* The answer has a status that is no success. A throttle (429) and an error of the server's are
 * as if no answer came, and Retry-After is waited for; all else is a refusal, or `other`. Calls
 * place_over(). */
void place_failed(struct place *p, const struct http_answer *a, enum anchor_end other);
const char *place_journal(const struct place *p);
const char *place_node(const struct place *p);

/* A token of RFC 3161. 0, or ERR_AUTH with a sentence: only a token for exactly this query,
 * that verifies by the certificates in `ca`, without modifications, will do. */
extern int64_t tsa_off_s; /* its clock may be off ours by so much; tests set it */
int tsa_verify(TS_REQ *query, struct span response, const char *ca, struct buf *why);
/* A token that was taken once: over this SHA-256, and with `ca` (NULL: not looked at) signed,
 * as of the time that it says. */
int tsa_token_check(struct span response, const unsigned char hash[SHA256_BYTES],
	const char *ca, struct buf *why);
/* NULL: out of memory. */
TS_REQ *tsa_query(struct span note);

/* The public keys of witnesses, PEM or as C2SP verifier keys "NAME+ID+BASE64", a line each: as
 * pubkeys_load. */
int witness_keys(const char *file, struct pubkey *out, size_t max, struct buf *why);
/* Of the lines of an answer the first cosignature by one of the keys that holds: itself, and
 * its time; n 0: none. */
struct span witness_cosignature(struct span note, struct span answer, const struct pubkey *keys,
	size_t nkeys, uint64_t *time);

extern uint64_t anchor_syslog_us; /* a conversation's deadline; tests set it */
int anchor_syslog(const char *to, const char *tls_ca, const char *node, struct span note,
	char why[PLACE_WHY]);

#endif
