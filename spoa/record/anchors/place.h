/* One place that gets checkpoints, and the ways to send a checkpoint there. Private to this
 * folder; `cmd/` and tests use the functions that check time stamps and cosignatures. */
#ifndef RECORD_ANCHORS_PLACE_H
#define RECORD_ANCHORS_PLACE_H

#include <ev.h>
#include <openssl/ts.h>

#include "base/fetch/http_client.h"
#include "base/pool.h"
#include "base/tag.h"
#include "record/anchors/anchors.h"
#include "record/proof/note.h"

#define ANCHOR_DEADLINE_US 10000000 /* µs for one attempt */

/* How an attempt ended. */
enum anchor_end {
	ANCHOR_TAKEN,
	/* the place responded, and the response is a refusal or does not verify */
	ANCHOR_REFUSED,
	ANCHOR_AWAY, /* the place did not respond */
	ANCHOR_ENDS
};

/* bytes, with the NUL; longer names and reasons are cut off */
enum { PLACE_TEXT = 512, PLACE_WHY = 512 };

/* The life of a place:
 *
 *   WAITS --turn--> ASKS --accepted, or refused for a new reason--> RECORDS
 *     ^               |                                               |
 *     +-- no response, or the same refusal --+----- record written ---+
 *
 * WAITS: the timer `due` runs. ASKS: an attempt is in progress. RECORDS: the audit thread has
 * `entry`. */
enum place_state { PLACE_WAITS, PLACE_ASKS, PLACE_RECORDS };

/* owner: tg-anchors, except `shown`. */
struct place {
	struct tag tag;
	struct anchors *all;	       /* owner of the place */
	const struct anchor_place *at; /* the place's configuration; borrowed */
	char name[PLACE_TEXT];	       /* shown to people: an address without its query */
	enum place_state state;
	ev_timer due;		/* runs in WAITS */
	struct http_call *call; /* the HTTP request in progress; NULL: none */
	bool errand;		/* an attempt runs on a thread of the pool */
	uint64_t began_us;	/* monotonic µs: when the current turn began */
	uint64_t wait_us;	/* µs until the retry; 0: the last attempt did not fail */
	uint64_t asked_wait_us; /* µs that the last response asked to wait; 0: none */
	struct buf note;	/* the checkpoint of this turn */
	struct checkpoint checkpoint; /* borrows from `note` */
	struct audit_entry entry;     /* the record of the attempt; lent in RECORDS */
	TS_REQ *query;		      /* the last time stamp request; NULL: none yet */
	struct {
		uint64_t old; /* records that the witness has seen, as far as is known */
		bool again;   /* the witness has already corrected `old` in this turn */
	} witness;
	/* Shown by status, readiness and metrics. Guarded by all->lock. */
	struct {
		bool tried; /* an attempt has ended */
		bool taken; /* a checkpoint was accepted */
		enum anchor_end end;
		uint64_t size;	     /* records in the last accepted checkpoint */
		uint64_t taken_us;   /* monotonic µs: when it was accepted */
		int64_t taken_ns;    /* taken_us as wall clock, ns since 1970 */
		uint64_t since_us;   /* monotonic µs: since when `end` is the result */
		uint64_t asked_us;   /* monotonic µs: begin of the attempt; 0: none runs */
		char why[PLACE_WHY]; /* the reason for `end`; "": accepted */
	} shown;
};

/* Checks a time stamp response (RFC 3161). It must be granted without modifications, be for
 * exactly this query, verify with the certificates in the file `ca`, and its time must be
 * within tsa_off_s of the local clock. Returns 0, or ERR_AUTH with the reason in *why. */
/* The permitted difference of the clocks in seconds. Tests set it. */
extern int64_t tsa_off_s;
int tsa_verify(TS_REQ *query, struct span response, const char *ca, struct buf *why);
/* Checks a stored time stamp response: it must cover this SHA-256. If `ca` is not NULL, its
 * signature must verify as of the time that the stamp states. Returns 0, or ERR_AUTH with the
 * reason in *why. */
int tsa_token_check(struct span response, const unsigned char hash[SHA256_BYTES],
	const char *ca, struct buf *why);
/* Makes the query for a note's time stamp, with a random nonce. The caller frees it with
 * TS_REQ_free(). Returns NULL if memory is exhausted. */
TS_REQ *tsa_query(struct span note);

/* Reads the public keys of witnesses from a file: PEM, or a C2SP verifier key
 * "NAME+ID+BASE64" on each line. Returns the number of keys, at most `max`, or an error with
 * the reason in *why, as pubkeys_load(). */
int witness_keys(const char *file, struct pubkey *out, size_t max, struct buf *why);
/* Finds the first line of a witness's response that is a valid cosignature by one of the
 * keys. Returns that line, which borrows from `answer`, and sets *time to its time in Unix
 * seconds. Returns n 0 if there is none. */
struct span witness_cosignature(struct span note, struct span answer, const struct pubkey *keys,
	size_t nkeys, uint64_t *time);

extern uint64_t anchor_syslog_us; /* µs for the whole exchange; tests set it */
/* Sends the note as a syslog message to `to`: "tcp://HOST:PORT", "tls://HOST:PORT" or
 * "unix:PATH". `tls_ca` NULL: the system's certificates. Blocks. Returns 0, or ERR_IO with
 * the reason in `why`. */
int anchor_syslog(const char *to, const char *tls_ca, const char *node, struct span note,
	char why[PLACE_WHY]);

#endif
