/* Messages of realtime sessions. The tables of live.c determine the purpose of an event before
 * it is read as a request or as a response. Any thread. */
#ifndef SCAN_DIALECT_LIVE_H
#define SCAN_DIALECT_LIVE_H

#include "scan/dialect/dialect.h"

enum live_is {
	LIVE_TEXT,   /* may contain text, so the message is read whole; also unknown events */
	LIVE_SIGNAL, /* contains only protocol words, ids and numbers */
	LIVE_MEDIA,  /* like LIVE_SIGNAL, with audio or images in base64 */
};

/* The purpose of one message. Returned by value. */
struct live_event {
	enum live_is is;
	bool asks;   /* client: requests a response */
	bool begins; /* provider: a response is in progress */
	bool ends;   /* provider: the response ends with this event */
	bool aside;  /* the event transcribes one item and belongs to no response */
	/* Provider: the client's request failed. With `aside`: the failed transcription used
	 * nothing. */
	bool error;
	bool more; /* with `ends`: only the usage is missing, which may follow */
	/* reports the usage of the response so far; completes a response that ended with
	 * `more` */
	bool usage;
	uint64_t media_bytes; /* LIVE_MEDIA: length of the base64 in bytes */
	/* Provider: the id of the response that the event belongs to; with `aside`, the id of
	 * the item. In the arena. n 0: the event names none. */
	struct span response;
};

/* Returns true if WebSockets can use the endpoint. */
bool live_endpoint(const struct endpoint *e);
/* Returns true if the provider's events carry the id of their response when it begins and
 * ends. */
bool live_has_ids(const struct endpoint *e);
/* Classify a whole message. A message that is not JSON or repeats a member is LIVE_TEXT. The
 * arena is used while reading. */
struct live_event live_client(const struct endpoint *e, struct span message, struct arena *a);
struct live_event live_provider(const struct endpoint *e, struct span message, struct arena *a);
/* Returns true if a provider's message contains a transcript of its audio. The client plays
 * such audio whatever happens to the text. False if the message is not JSON. */
bool live_is_heard(struct span message);

/* The handle by which a client can resume a session. */
struct live_handle {
	struct span text;  /* decoded, perhaps in the arena; n 0: the message has none */
	size_t start, end; /* bytes of the message between the quotes */
	bool odd;	   /* ambiguous: two handles, or a handle that is not a string */
};
/* Returns the handle in a client's setup, or the handle that a provider offers for later. A
 * message that is not JSON has none. */
struct live_handle live_handle(
	const struct endpoint *e, bool of_client, struct span message, struct arena *a);

#endif
