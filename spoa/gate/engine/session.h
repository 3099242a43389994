/* What a WebSocket's exchange keeps of its session. owner: worker. */
#ifndef GATE_ENGINE_SESSION_H
#define GATE_ENGINE_SESSION_H

#include "gate/engine/engine.h"

/* A message that is decided, as a request of its own: its exchange runs the steps like one
 * whose body the relay brought.
 *
 *   DECIDED → (of a turn) ANSWERED → OVER
 *        └────(alone, or denied)──────↑ */
struct said {
	struct tag tag;
	struct session *of;
	struct exchange *x;
	char *body; /* a copy: the relay's may go */
	size_t n;
	bool binary;
	bool turn;   /* its answer costs */
	bool silent; /* nobody said it: the provider began by itself */
	enum said_life { SAID_DECIDED, SAID_ANSWERED, SAID_OVER } life;
	struct { /* of a turn */
		char id[CAP_SOCKET_RESPONSE_ID];
		size_t nid;	     /* 0: it has not begun, or its provider has no ids */
		struct guard *guard; /* its exchange's; NULL: none, or nothing reads it */
		bool heard_too;	     /* what is written of it is said, too */
		bool over;	     /* but for its usage */
		bool aside;	     /* what is written of an item: no part of another answer */
	} answer;
	LIST_ENTRY(said) all;
};

struct session {
	struct tag tag;
	struct exchange *x; /* the handshake's */
	struct socket_calls calls;
	struct socket_end end;
	/* The placeholders that its messages were given: numbers go on from one message to the
	 * next. NULL: none was decided yet. */
	struct placeholders *placeholders;
	/* What is put back in all its responses, in flight or later: their values as far as
	 * messages were decided. NULL: its route does not restore. */
	struct vault *vault;
	LIST_HEAD(, said) said; /* all whose memory is not free yet, the last one first */
	struct messages_joined joined;
	struct said *asking; /* the client's message that is being decided */
	struct {	     /* of the provider's, that waits for its turn to be decided */
		struct span message;
		bool binary, waits;
	} held;
	bool unpaid; /* an answer was under way that no limit let in: what is held ahead pays */
	bool finishing; /* the handshake's exchange ends once all of `said` is over */
	struct exchange_result result;
};

/* Before anything else of the exchange's end: true where that waits. */
bool session_finish(struct exchange *x, const struct exchange_result *res,
	void (*done)(void *, int), void *arg);
void session_free(struct exchange *x);

/* ---- resume.c ---- */

#endif
