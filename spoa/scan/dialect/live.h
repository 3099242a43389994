/* Messages of realtime sessions, by the table of their family's events: what one is for, before
 * it is read as a request or as an answer. */
#ifndef SCAN_DIALECT_LIVE_H
#define SCAN_DIALECT_LIVE_H

#include "scan/dialect/dialect.h"

enum live_is {
	LIVE_TEXT,   /* it may hold text: it is read whole. So is what no row knows */
	LIVE_SIGNAL, /* only words of the protocol, ids and numbers */
	LIVE_MEDIA,  /* likewise, and audio or pictures in base64 */
};

struct live_event {
	enum live_is is;
	bool asks;   /* of a client's: an answer is made */
	bool begins; /* of a provider's: an answer is under way */
	bool ends;   /* likewise: with this event it is over */
	bool aside;  /* what is written of one item: no part of any other answer */
	bool error;  /* of a provider's: it does not do what a client asked for; `aside`:
			what it was for took nothing */
	bool more;   /* `ends`, but for its usage, which may come later */
	bool usage;  /* of an answer so far: ends one that had ended but for it */
	uint64_t media_bytes; /* LIVE_MEDIA: of base64 */
	struct span response; /* of a provider's: the id of the answer that it is a part of,
				 `aside`: of the item, of the arena; n 0: it says none */
};

/* Whether the endpoint is one that WebSockets have. */
bool live_endpoint(const struct endpoint *e);
/* Whether events of its provider say of which answer they are, where that begins and ends. */
bool live_has_ids(const struct endpoint *e);
/* A whole message. What is no JSON, or has a member twice, is LIVE_TEXT. `a` is for what
 * reading it takes. */
struct live_event live_client(const struct endpoint *e, struct span message, struct arena *a);
struct live_event live_provider(const struct endpoint *e, struct span message, struct arena *a);
/* A provider's message holds what is written of audio: it is heard, whatever becomes of the
 * text. Of what is no JSON it is not known: false. */
bool live_is_heard(struct span message);

/* What a session may be resumed by. */
struct live_handle {
	struct span text;  /* as it is meant, perhaps of the arena; n 0: there is none */
	size_t start, end; /* where it is in the message, between its quotes */
	bool odd;	   /* there are two, or one that is no text: whatever is taken for it */
};
/* Of a client's setup, or what a provider gives for later. No message of JSON has none. */
struct live_handle live_handle(
	const struct endpoint *e, bool of_client, struct span message, struct arena *a);

#endif
