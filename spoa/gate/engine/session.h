/* The state of a WebSocket session. owner: worker. */
#ifndef GATE_ENGINE_SESSION_H
#define GATE_ENGINE_SESSION_H

#include "gate/engine/engine.h"
#include "gate/engine/session_voice.h"
#include "scan/text/argument_types.h"
#include "scan/text/named.h"

/* A message that is decided as a request of its own. Its exchange runs the steps like that of a
 * request whose body the relay read.
 *
 *   DECIDED → (of a turn) ANSWERED → OVER
 *        └────(alone, or denied)──────↑
 */
struct said {
	struct tag tag;
	struct session *of;
	struct exchange *x;
	char *body; /* a copy, because the relay's buffer may be reused; n bytes */
	size_t n;
	bool binary;
	bool turn;   /* asks for a response, which costs */
	bool silent; /* made by the gate: the provider began a response without being asked */
	enum said_life { SAID_DECIDED, SAID_ANSWERED, SAID_OVER } life;
	struct { /* the response to a turn */
		char id[CAP_SOCKET_RESPONSE_ID];
		size_t nid;	     /* 0: not begun, or the provider has no ids */
		struct guard *guard; /* the guard of `x`; NULL: no rule reads the response */
		bool heard_too;	     /* the response's transcript is spoken, too */
		bool over;	     /* ended, except for its usage */
		bool aside;	     /* text of an item only, not part of another response */
	} answer;
	enum said_voice voice; /* sent in place of the body once it is permitted */
	bool says_nothing;     /* SAID_SETUP: nothing is sent */
	char item[VOICE_ITEM_ID];
	size_t nitem; /* SAID_WRITTEN: id of the item */
	LIST_ENTRY(said) all;
};

/* One session. It ends when the handshake's exchange ends and all messages are over. */
struct session {
	struct tag tag;
	struct exchange *x; /* the exchange of the handshake */
	struct socket_calls calls;
	struct socket_end end;
	/* Placeholders that messages received. Numbers continue from message to message. NULL:
	 * no message was decided yet. */
	struct placeholders *placeholders;
	/* Values restored in all responses of the session, now or later, as far as messages
	 * were decided. NULL: the route does not restore. */
	struct vault *vault;
	/* types of tools' arguments in the last message that stated some, with their memory */
	struct arena types;
	const struct argument_types *argument_types;
	/* property names of the schemas in messages that were forwarded */
	struct known_names names;
	LIST_HEAD(, said) said; /* messages whose memory is in use, newest first */
	struct messages_joined joined;
	struct said *asking; /* the client's message that is being decided; NULL: none */
	struct {	     /* the provider's message that waits to be decided */
		struct span message;
		bool binary, waits;
	} held;
	/* a response was in progress that no limit admitted: the handshake's reservation
	 * pays for it */
	bool unpaid;
	struct voice voice;
	bool finishing; /* the handshake's exchange ends when all of `said` is over */
	struct exchange_result result;
};

/* Call first when the exchange ends. Returns true if the end must wait for messages; done() is
 * called later. */
bool session_finish(struct exchange *x, const struct exchange_result *res,
	void (*done)(void *, int), void *arg);

/* ---- session.c, for session_voice.c ---- */

/* Sends an error in the dialect's form, and ends the session. `code`, `why`: constants. */
enum socket_goes session_denies(struct session *s, const char *code, const char *why);
enum socket_goes session_ends(struct session *s, unsigned code, bool denied, const char *why);
/* Begins the decision on a message, whose end message_decided() is. NULL: out of memory, or over
 * a limit of held bytes. */
struct said *session_asks(struct session *s, bool binary, struct span message, bool turn,
	enum sound_state sound);
/* Counts responses that are being decided or answered. */
size_t session_turns(const struct session *s);
/* Handles a client's message that has waited, and reports the result to the relay. */
void session_client_again(struct session *s, bool binary, struct span message);

#endif
